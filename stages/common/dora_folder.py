"""Dora's folder: ``xps`` holds the experiments, ``grids`` names some (source: ``dora.conf``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_NAME = "xps"
_GRIDS = "grids"


@dataclass(frozen=True)
class DoraFolder:
    """What ``dora_dir`` and ``AUDIOCRAFT_DORA_DIR`` name."""

    root: Path

    @classmethod
    def around(cls, xps: Path) -> DoraFolder | None:
        """Give the folder whose ``xps`` this is, by its name; ``None`` for anything else."""
        return cls(xps.parent) if xps.name == _NAME else None

    @property
    def xps(self) -> Path:
        """The folder of all experiments."""
        return self.root / _NAME

    @property
    def grids(self) -> Path:
        """The folder of all grids."""
        return self.root / _GRIDS

"""How far an experiment has come, told by its files alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.common.dora_folder import DoraFolder
from stages.common.experiments import Experiment
from stages.train.lock import Holder


@dataclass(frozen=True)
class Training:
    """An experiment that is to be complete.

    Attributes:
        dora_dir: the folder of all experiments.
        signature: Dora's name for this one.
        epochs: how many it takes, or ``None`` when its package does not say.
    """

    dora_dir: Path
    signature: str
    epochs: int | None

    @property
    def experiment(self) -> Experiment:
        """What Dora keeps of it."""
        return Experiment(self.dora_dir, self.signature)

    @property
    def folder(self) -> Path:
        """Where Dora keeps it."""
        return self.experiment.folder

    @property
    def checkpoint(self) -> Path:
        """Its last checkpoint."""
        return self.experiment.last_checkpoint

    @property
    def history(self) -> list[dict[str, Any]]:
        """Its metrics, one entry per finished epoch."""
        return self.experiment.history

    @property
    def lock(self) -> Path:
        """The lock that one training process at a time holds."""
        return self.dora_dir / f"{self.signature}.lock"

    @property
    def log(self) -> Path:
        """What its training processes printed, one after the other."""
        return self.dora_dir / f"{self.signature}.log"

    @property
    def complete(self) -> bool:
        """Tell whether nothing is left to train. Unknown epochs never count as trained."""
        trained = self.epochs is not None and len(self.history) >= self.epochs
        return trained and self.checkpoint.is_file()

    @property
    def metric(self) -> str:
        """Show the last epoch's measure: cross entropy, else the first of the valid split."""
        history = self.history
        valid = history[-1].get("valid") if history else None
        if not isinstance(valid, dict):
            return ""
        values = {name: v for name, v in valid.items() if isinstance(v, float)}
        name = "ce" if "ce" in values else next(iter(values), "")
        return f"valid {name} {values[name]:.3f}" if name else ""


def begun(
    dora_dir: Path, package: str, overrides: Sequence[str], epochs: int | None
) -> Training | None:
    """Find an experiment that an earlier run of the same request began, without asking Dora.

    Dora keeps the overrides of each experiment, and our lock file the package. Good enough for a
    plan to show; the signature itself is Dora's to tell.
    """
    for signature in _with_overrides(dora_dir, overrides):
        training = Training(dora_dir, signature, epochs)
        holder = Holder.read(training.lock)
        if holder is not None and holder.package == package:
            return training
    return None


def _with_overrides(dora_dir: Path, overrides: Sequence[str]) -> Iterator[str]:
    for path in sorted(DoraFolder(dora_dir).xps.glob("*/.argv.json")):
        try:
            if json.loads(path.read_text(encoding="utf-8")) == list(overrides):
                yield path.parent.name
        except (OSError, ValueError):
            continue

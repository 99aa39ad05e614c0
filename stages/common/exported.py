"""The files that AudioCraft's loaders take: a model's weights and config, or a codec's name.

The format is that of ``audiocraft.utils.export`` and ``audiocraft.models.loaders``: a torch archive
of one dict. The order of the keys is part of the bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from pipeline.schema import ExportConfig
from pipeline.stage import Progress
from stages.common import xp_config
from stages.common.disk_space import demand_space
from stages.common.finite import all_finite
from stages.common.stored import Tensor
from stages.common.tensors import ITEMSIZE
from stages.common.writer import Weight, Written, size_of, write_archive

DTYPES = ("keep", "float32", "float16", "bfloat16")
"""What ``export.dtype`` may be; whole numbers and booleans are kept in any case."""


@dataclass(frozen=True)
class Package:
    """One file in memory: a dict as it will be written, tensors still unread.

    Attributes:
        root: the dict.
        removed: the nodes that left xp.cfg.
        blanked: the dotted keys in xp.cfg whose strings became null.
        allow_nonfinite: whether its tensors may hold NaN and Inf.
    """

    root: Mapping[str, Any]
    removed: tuple[str, ...] = ()
    blanked: tuple[str, ...] = ()
    allow_nonfinite: bool = False

    @property
    def weights(self) -> Mapping[str, Weight]:
        """The tensors by name."""
        return dict(self.root.get("best_state", {}))

    @property
    def parameters(self) -> int:
        """How many numbers the tensors hold."""
        return sum(weight.tensor.numel for weight in self.weights.values())

    @property
    def nbytes(self) -> int:
        """How many bytes the tensors take as written."""
        return sum(weight.nbytes for weight in self.weights.values())

    @classmethod
    def of_model(
        cls,
        tensors: Mapping[str, Tensor],
        config: DictConfig,
        export: ExportConfig,
        *,
        dtype: str = "keep",
        overrides: Mapping[str, Any] | None = None,
    ) -> Package:
        """Pack a model: ``tensors`` as ``dtype``, and its xp.cfg cleaned, then overridden.

        Raises:
            ConfigError: when an override names what xp.cfg does not have.
        """
        cleaned = xp_config.clean(config) if export.sanitize else xp_config.Cleaned(config)
        fit = xp_config.apply_overrides(xp_config.loadable(cleaned.config), overrides or {})
        wanted = None if dtype == "keep" else dtype
        root = {
            "best_state": {key: Weight(tensor, wanted) for key, tensor in tensors.items()},
            "xp.cfg": xp_config.to_yaml(fit),
            "version": export.audiocraft_version,
            "exported": True,
        }
        return cls(root, cleaned.removed, cleaned.blanked, export.allow_nonfinite)

    @classmethod
    def of_reference(cls, name: str, export: ExportConfig) -> Package:
        """Pack the name of a pretrained codec instead of its weights."""
        return cls({"pretrained": name, "exported": True, "version": export.audiocraft_version})

    def write(self, path: Path, progress: Progress) -> Written:
        """Write the file, having made sure that it fits on the disk.

        Raises:
            OutputError: when it does not.
            FormatError: naming the tensors, when the source is damaged, or they hold NaN or Inf or
                overflow in a cast and that is not allowed.
        """
        size = size_of(self.root)
        demand_space(path.parent, size)
        with progress.task(path.name, size) as task:
            return write_archive(
                path, self.root, task.advance, allow_nonfinite=self.allow_nonfinite
            )

    def accepted(self, written: Written) -> dict[str, list[str]]:
        """Give what a record says of NaN and Inf that were let in; nothing, where there are none.

        ``nonfinite`` names all such tensors, of tied ones every name; ``overflowed`` those of them
        that only the cast made so. They are few, so they are read again; the files that they are
        in must still be open.
        """
        bad = {self.weights[name].tensor.identity for name in written.nonfinite}
        tensors = {n: w.tensor for n, w in self.weights.items() if w.tensor.identity in bad}
        made = [
            name
            for name, tensor in tensors.items()
            if all(all_finite(block, tensor.dtype) for block in tensor.blocks())
        ]
        found = {"nonfinite": sorted(tensors), "overflowed": sorted(made)}
        return {name: names for name, names in found.items() if names}


def cast_bytes(parameters: int, nbytes: int, dtype: str) -> int:
    """Estimate what ``nbytes`` of weights take as ``dtype``; at least what they will."""
    return nbytes if dtype == "keep" else parameters * ITEMSIZE[dtype]

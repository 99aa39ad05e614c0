"""Training checkpoints of any size, as AudioCraft's solver saves them, made in little memory.

All tensors are separate mappings of one block of random numbers, so ``torch.save`` writes a storage
for each while the memory holds the numbers once.
"""

from __future__ import annotations

import math
import mmap
import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.scales import Model
from tests.xp_shapes import Shapes

if TYPE_CHECKING:
    import torch

    Tensors = dict[str, torch.Tensor]

_FLOAT = 4
_SPREAD = 64
"""At how many different places in the block a tensor may begin."""


def write_checkpoint(path: Path, model: Model, *, optimizer: bool = True) -> None:
    """Write a checkpoint with AudioCraft's keys, its weights random, normal and float32.

    Args:
        path: the file; replaced if it is there.
        model: what was trained.
        optimizer: whether it has, beside the best state, the last one and AdamW's two moments.
    """
    import torch

    config, shapes = model.config, model.shapes
    with _Numbers.fit(shapes) as numbers, path.open("wb") as file:
        last = OrderedDict(numbers.tensors(shapes) if optimizer else {})
        package: dict[str, Any] = {
            "history": [{"train": {"ce": 5.0}, "valid": {"ce": 4.5, "ppl": 90.0}}],
            "xp.cfg": config,
            "xp.sig": "9370b59c",
            "best_state": {"model": numbers.tensors(shapes)},
            "fsdp_best_state": {},
            "model": last,
            "optimizer": _adamw(numbers, shapes) if optimizer else {},
            "lr_scheduler": {"warmup_steps": 4000, "base_lrs": [1e-4], "last_epoch": 2000},
            "ema": None,
        }
        try:
            torch.save(package, file)  # to a file object, as flashy does: the root is "archive/"
        except RuntimeError as error:  # Closed half-way, torch's writer raises one in its place.
            raise error.__context__ or error from None
        file.flush()
        os.fsync(file.fileno())


def _adamw(numbers: _Numbers, shapes: Shapes) -> dict[str, Any]:
    import torch

    averages, squares = numbers.tensors(shapes), numbers.tensors(shapes)
    state = {
        index: {
            "step": torch.tensor(2000.0),
            "exp_avg": averages[key],
            "exp_avg_sq": squares[key],
        }
        for index, key in enumerate(shapes)
    }
    group = {"lr": 1e-4, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1, "foreach": None}
    return {"state": state, "param_groups": [{**group, "params": list(state)}]}


class _Numbers:
    """A block of random numbers in memory that has no name, and can be mapped again and again."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._made = 0

    @classmethod
    @contextmanager
    def fit(cls, shapes: Shapes) -> Iterator[_Numbers]:
        """Give a block from which every one of the shapes can be cut."""
        import torch

        longest = max(math.prod(shape) for shape in shapes.values())
        count = longest + _SPREAD * mmap.ALLOCATIONGRANULARITY // _FLOAT
        file = os.memfd_create("numbers")
        try:
            os.truncate(file, count * _FLOAT)
            with mmap.mmap(file, count * _FLOAT) as whole:
                block = torch.frombuffer(whole, dtype=torch.float32)
                block.normal_(0, 0.02, generator=torch.Generator().manual_seed(2036))
                del block  # or the mapping cannot be closed
            yield cls(file)
        finally:
            os.close(file)

    def tensors(self, shapes: Shapes) -> Tensors:
        """Give a tensor of each shape, each with a storage of its own."""
        return {key: self._tensor(shape) for key, shape in shapes.items()}

    def _tensor(self, shape: tuple[int, ...]) -> torch.Tensor:
        import torch

        self._made += 1
        start = self._made % _SPREAD * mmap.ALLOCATIONGRANULARITY
        own = mmap.mmap(self._file, math.prod(shape) * _FLOAT, offset=start)
        return torch.frombuffer(own, dtype=torch.float32).view(shape)

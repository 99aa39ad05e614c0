"""Stored tensors as torch's, read when they are needed and not kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.errors import FormatError
from stages.common.casting import FLOATS
from stages.common.settings import Unusable
from stages.common.stored import Tensor as Stored
from stages.common.tensors import ITEMSIZE

if TYPE_CHECKING:
    from torch import Tensor


class Weights:
    """The tensors of one model by AudioCraft's names, each read anew but for the last one.

    Queries, keys and values are three parts of one tensor, which is therefore read once.
    """

    def __init__(self, tensors: Mapping[str, Stored], device: str) -> None:
        """Take the stored tensors, and where to put them."""
        self.tensors, self.device = tensors, device
        self._last: tuple[str, Tensor] | None = None

    def __call__(self, name: str) -> Tensor:
        """Read a tensor as float32, whatever its dtype in the file.

        Raises:
            Unusable: when it is not there, holds no floats, or is damaged.
        """
        if self._last is None or self._last[0] != name:
            self._last = None  # so that the two are never in memory together
            self._last = (name, self._read(name))
        return self._last[1]

    def _read(self, name: str) -> Tensor:
        import torch

        stored = self.tensors.get(name)
        if stored is None or stored.dtype not in FLOATS:
            raise Unusable(f"there are no weights {name}")
        # Torch's memory begins where vector instructions want it, and so do their results not
        # depend on where numpy would have put it.
        made = torch.empty(stored.numel, dtype=torch.float32)
        at, into = 0, made.numpy()
        try:
            for block in stored.blocks():
                count = len(block) // ITEMSIZE[stored.dtype]
                _fill(into[at : at + count], block, stored.dtype)
                at += count
        except FormatError as error:
            raise Unusable(f"a tensor cannot be read: {error.what}") from error
        stored.forget()
        return made.view(stored.shape).to(self.device)


def _fill(into: Any, block: memoryview, dtype: str) -> None:
    """Write elements into a float32 array; bfloat16 is the upper half of a float32."""
    import numpy as np

    if dtype == "bfloat16":
        into.view(np.uint32)[:] = np.frombuffer(block, "<u2").astype(np.uint32) << 16
    else:
        with np.errstate(over="ignore"):  # of float64, which becomes infinite as in torch
            into[:] = np.frombuffer(block, np.dtype(dtype))

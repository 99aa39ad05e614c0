"""Stored tensors as torch's, read when they are needed and not kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.errors import FormatError
from stages.common.casting import FLOATS, floats
from stages.common.renaming import Part
from stages.common.settings import Unusable
from stages.common.stored import Tensor as Stored

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

    def part(self, part: Part) -> Tensor:
        """Read what a tensor of another naming is made of; without padding, as a view.

        Raises:
            Unusable: as for all of it.
        """
        import torch

        tensor = self(part.name)
        tensor = tensor if part.rows is None else tensor[part.rows]
        if part.padding is None:
            return tensor
        rest = tensor.new_full((part.padding.rows, *tensor.shape[1:]), part.padding.value)
        return torch.cat([tensor, rest])

    def _read(self, name: str) -> Tensor:
        import numpy as np
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
                given = floats(block, stored.dtype)
                with np.errstate(over="ignore"):  # of float64, which becomes infinite as in torch
                    into[at : at + given.size] = given
                at += given.size
        except FormatError as error:
            raise Unusable(f"a tensor cannot be read: {error.what}") from error
        stored.forget()
        return made.view(stored.shape).to(self.device)

"""The tensors of a whole model under transformers' names, still unread."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.errors import FormatError
from stages.common.buffers import buffer
from stages.common.renaming import Padding, Part
from stages.common.stored import StoredTensor, Tensor

_FORMATS = {"float32": "<f", "float16": "<e", "float64": "<d"}


@dataclass(frozen=True)
class Piece:
    """One tensor as it will be written.

    Attributes:
        tensor: what it is read from.
        padding: rows that follow.
    """

    tensor: Tensor
    padding: Padding | None = None

    @property
    def dtype(self) -> str:
        """Torch's name of it."""
        return self.tensor.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the dimensions."""
        first, *rest = self.tensor.shape or (1,)
        if self.padding is None:
            return self.tensor.shape
        return (first + self.padding.rows, *rest)

    @property
    def nbytes(self) -> int:
        """How many bytes its elements take."""
        return self.tensor.nbytes + len(self._filling)

    def blocks(self) -> Iterator[memoryview]:
        """Give its bytes in C order."""
        yield from self.tensor.blocks()
        if filling := self._filling:
            block = buffer(len(filling))
            block[:] = filling
            yield block

    def forget(self) -> None:
        """Let the system drop from its memory what was read."""
        self.tensor.forget()

    @property
    def _filling(self) -> bytes:
        if self.padding is None:
            return b""
        count = math.prod((self.padding.rows, *self.tensor.shape[1:]))
        return _element(self.dtype, self.padding.value) * count


def pieces_of(
    tensors: Mapping[str, Tensor], parts: Mapping[str, Part], prefix: str
) -> dict[str, Piece]:
    """Give the tensors that ``parts`` describe, each name with a prefix."""
    return {
        prefix + name: Piece(_rows(tensors[part.name], part.rows), part.padding)
        for name, part in parts.items()
    }


def _rows(tensor: Tensor, rows: slice | None) -> Tensor:
    """Give some rows of a stored tensor as one of its own."""
    if rows is None:
        return tensor
    if not isinstance(tensor, StoredTensor):
        raise FormatError("Rows are taken from torch's archives alone.", str(tensor.path))
    return tensor.rows(rows)


def _element(dtype: str, value: float) -> bytes:
    if dtype == "bfloat16":
        # The upper half of a float32, rounded to the nearest; no value here is halfway.
        bits = struct.unpack("<I", struct.pack("<f", value))[0]
        return struct.pack("<H", (bits + 0x7FFF) >> 16)
    if dtype not in _FORMATS:
        raise FormatError(f"A codebook of {dtype} cannot be filled up.")
    return struct.pack(_FORMATS[dtype], value)

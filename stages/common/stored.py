"""A tensor that can be read: what it is, and its bytes, a block at a time."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from stages.common.archive import Archive
from stages.common.tensors import TensorRef


class Tensor(Protocol):
    """A tensor in files that stay open while it is used."""

    @property
    def dtype(self) -> str:
        """Torch's name of it, without ``torch.``."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the dimensions."""

    @property
    def numel(self) -> int:
        """How many elements it has."""

    @property
    def nbytes(self) -> int:
        """How many bytes its elements take in C order."""

    @property
    def identity(self) -> Hashable:
        """What two tensors share when they are the same elements, whatever their shapes."""

    @property
    def path(self) -> Path:
        """The file it is in, for messages."""

    @property
    def known_crc(self) -> int | None:
        """The CRC-32 of its bytes in C order, where that is known without reading them."""

    def blocks(self) -> Iterator[memoryview]:
        """Give its bytes in C order, whole elements in steps of at most 1 MB, verified.

        Raises:
            FormatError: naming the record, when its bytes are not those that were saved.
        """

    def crc(self) -> int:
        """Give the CRC-32 of its bytes in C order; reads them where it is not known.

        Raises:
            FormatError: as `blocks`.
        """

    def forget(self) -> None:
        """Let the system drop from its memory what was read."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor of one archive.

    Attributes:
        archive: the open file.
        ref: what and where it is in there.
        name: the key it stands under, for messages.
    """

    archive: Archive
    ref: TensorRef
    name: str = ""

    @property
    def dtype(self) -> str:
        """Torch's name of it."""
        return self.ref.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the dimensions."""
        return self.ref.shape

    @property
    def numel(self) -> int:
        """How many elements it has."""
        return self.ref.numel

    @property
    def nbytes(self) -> int:
        """How many bytes its elements take."""
        return self.ref.nbytes

    @property
    def identity(self) -> Hashable:
        """The archive, the record, and which of its elements."""
        ref = self.ref
        extent = ref.numel if ref.contiguous else (ref.shape, ref.stride)
        return id(self.archive), ref.record, ref.dtype, ref.offset, extent

    @property
    def path(self) -> Path:
        """The archive."""
        return self.archive.path

    @property
    def known_crc(self) -> int | None:
        """That of its record, where it is the whole record."""
        return self.archive.known_crc(self.ref)

    def rows(self, which: slice) -> StoredTensor:
        """Give some of its rows, counted in the first dimension, as a tensor of their own."""
        ref = self.ref
        start, stop, _ = which.indices(ref.shape[0])
        offset, shape = ref.offset + start * ref.stride[0], (stop - start, *ref.shape[1:])
        return replace(self, ref=replace(ref, offset=offset, shape=shape))

    def blocks(self) -> Iterator[memoryview]:
        """Read it; see `Tensor.blocks`."""
        return self.archive.blocks(self.ref, self.name)

    def crc(self) -> int:
        """Give its CRC-32; see `Tensor.crc`."""
        return self.archive.crc(self.ref, self.name)

    def forget(self) -> None:
        """Drop its record from the system's memory."""
        self.archive.forget(self.ref)

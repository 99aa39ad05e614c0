"""Files of safetensors, read with care.

The format is that of ``safetensors``: eight bytes with the length of a JSON header, the header, and
the tensors without a gap.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline.errors import FormatError
from pipeline.files import BUFFER
from stages.common.buffers import buffer
from stages.common.checksum import crc32
from stages.common.tensors import ITEMSIZE

DTYPES: Mapping[str, str] = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "int16": "I16",
    "uint16": "U16",
    "float16": "F16",
    "bfloat16": "BF16",
    "int32": "I32",
    "uint32": "U32",
    "float32": "F32",
    "float64": "F64",
    "int64": "I64",
    "uint64": "U64",
}
"""The format's names of the dtypes, by torch's, in the format's own order: small ones first."""

_TORCH = {name: dtype for dtype, name in DTYPES.items()}
_LONGEST = 100_000_000
"""Bytes of a header; the format allows no more."""


class TensorFile:
    """An open file of safetensors; a context manager.

    Attributes:
        path: where it is.
        tensors: what is in it, by name.
    """

    def __init__(self, path: Path, file: int) -> None:
        """Take over an open file; use `open`."""
        self.path, self.file = path, file
        size = os.fstat(file).st_size
        start = os.pread(file, 8, 0)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= _LONGEST:
            raise FormatError("The file is no safetensors file.")
        if 8 + length > size:
            raise FormatError("The file is cut off: it ends in its own header.")
        try:
            entries = json.loads(os.pread(file, length, 8))
        except (ValueError, RecursionError) as error:
            raise FormatError("The file's header cannot be read.") from error
        if not isinstance(entries, dict):
            raise FormatError("The file's header lists no tensors.")
        self.tensors: Mapping[str, FileTensor] = dict(self._tensors(entries, 8 + length))
        self._demand_no_gap(8 + length, size)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file and check its header; no tensor is read.

        Raises:
            FormatError: when it cannot be read, is cut off, or is not one of safetensors.
        """
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise FormatError(f"The file cannot be read: {error.strerror}.", str(path)) from error
        try:
            return cls(path, file)
        except FormatError as error:
            os.close(file)
            raise FormatError(error.what, str(path), "Copy or download it again.") from error
        except BaseException:
            os.close(file)
            raise

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _tensors(self, entries: dict[str, Any], start: int) -> Iterator[tuple[str, FileTensor]]:
        for name, entry in entries.items():
            if name == "__metadata__":
                continue
            try:
                dtype, (begin, end) = _TORCH[entry["dtype"]], entry["data_offsets"]
                shape = tuple(entry["shape"])
                whole = all(type(n) is int and n >= 0 for n in (*shape, begin, end))
                if not whole or end - begin != math.prod(shape) * ITEMSIZE[dtype]:
                    raise ValueError
            except (KeyError, TypeError, ValueError) as error:
                raise FormatError(f"The file's header is wrong about {name}.") from error
            yield name, FileTensor(self, dtype, shape, start + begin)

    def _demand_no_gap(self, start: int, size: int) -> None:
        for tensor in sorted(self.tensors.values(), key=lambda t: (t.offset, t.nbytes)):
            if tensor.offset != start:
                raise FormatError("The file's header leaves gaps between tensors.")
            start += tensor.nbytes
        if start > size:
            raise FormatError(f"The file is cut off: it has {size} bytes of {start}.")
        if start < size:
            raise FormatError(f"The file has {size - start} bytes behind its last tensor.")


@dataclass(frozen=True)
class FileTensor:
    """A tensor of a file of safetensors; a `stages.common.stored.Tensor`.

    Attributes:
        source: the open file.
        dtype: torch's name of it.
        shape: the lengths of the dimensions.
        offset: where its bytes begin in the file.
    """

    source: TensorFile
    dtype: str
    shape: tuple[int, ...]
    offset: int

    @property
    def numel(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How many bytes its elements take."""
        return self.numel * ITEMSIZE[self.dtype]

    @property
    def identity(self) -> Hashable:
        """The file, and the place in it."""
        return id(self.source), self.offset, self.nbytes

    @property
    def path(self) -> Path:
        """The file."""
        return self.source.path

    @property
    def known_crc(self) -> int | None:
        """Nothing: the format has no checksums."""
        return None

    def blocks(self) -> Iterator[memoryview]:
        """Give its bytes in C order, in steps of at most 1 MB.

        Raises:
            FormatError: when the file was cut short meanwhile.
        """
        for at in range(0, self.nbytes, BUFFER):
            rest = block = buffer(min(BUFFER, self.nbytes - at))
            offset = self.offset + at
            while rest:
                count = os.preadv(self.source.file, [rest], offset)
                if not count:
                    raise FormatError("The file was cut short while it was read.", str(self.path))
                rest, offset = rest[count:], offset + count
            yield block

    def crc(self) -> int:
        """Give the CRC-32 of its bytes."""
        crc = 0
        for block in self.blocks():
            crc = crc32(block, crc)
        return crc

    def forget(self) -> None:
        """Drop its bytes from the system's memory."""
        if hasattr(os, "posix_fadvise"):
            advice = os.POSIX_FADV_DONTNEED
            os.posix_fadvise(self.source.file, self.offset, self.nbytes, advice)

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
from typing import Any

from pipeline.errors import FormatError
from stages.common.checksum import crc32_of
from stages.common.read_file import ReadFile
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


class TensorFile(ReadFile):
    """An open file of safetensors; a context manager.

    Attributes:
        tensors: what is in it, by name.
    """

    remedy = "Copy or download it again."

    def __init__(self, path: Path, file: int) -> None:
        """Take over an open file; use `open`."""
        super().__init__(path, file)
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
        for _, block in self.source.stretch(self.offset, self.offset + self.nbytes):
            yield block

    def crc(self) -> int:
        """Give the CRC-32 of its bytes."""
        return crc32_of(self.blocks())

    def forget(self) -> None:
        """Drop its bytes from the system's memory."""
        self.source.drop(self.offset, self.nbytes)

"""Files of safetensors, written in one pass, without holding a tensor whole.

The bytes are those of the library's own writer: the tensors stand by dtype, large ones first, and
then by name, so that all are aligned; the header has one key of metadata, as more would stand in
any order.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import FormatError
from pipeline.manifest import FileDigest
from stages.common.ahead import ahead
from stages.common.hashed_file import hashed_file
from stages.common.tensor_file import DTYPES

_METADATA = {"format": "pt"}
_ALIGNMENT = 8


class Piece(Protocol):
    """A tensor that can be written."""

    @property
    def dtype(self) -> str:
        """Torch's name of it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the dimensions."""

    @property
    def nbytes(self) -> int:
        """How many bytes its elements take in C order."""

    def blocks(self) -> Iterator[memoryview]:
        """Give its bytes in C order."""

    def forget(self) -> None:
        """Let the system drop from its memory what was read."""


def header(pieces: Mapping[str, Piece]) -> tuple[bytes, list[str]]:
    """Give the header of a file with its length before it, and the names in the order of the file.

    Raises:
        FormatError: for a dtype that the format does not have.
    """
    for name, piece in pieces.items():
        if piece.dtype not in DTYPES:
            raise FormatError(f"safetensors has no {piece.dtype}, the dtype of {name}.")
    rank = {dtype: -place for place, dtype in enumerate(DTYPES)}
    order = sorted(pieces, key=lambda name: (rank[pieces[name].dtype], name))
    entries: dict[str, Any] = {"__metadata__": _METADATA}
    at = 0
    for name in order:
        piece = pieces[name]
        offsets = [at, at + piece.nbytes]
        entries[name] = {
            "dtype": DTYPES[piece.dtype],
            "shape": list(piece.shape),
            "data_offsets": offsets,
        }
        at = offsets[1]
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return struct.pack("<Q", len(text)) + text, order


def write_tensors(
    path: Path, pieces: Mapping[str, Piece], advance: Callable[[int], None] | None = None
) -> FileDigest:
    """Write a file that is whole or absent, and give its digest.

    Args:
        path: the file; replaced if it is there.
        pieces: the tensors by name.
        advance: told the bytes written.

    Raises:
        FormatError: for a dtype that the format does not have, or a source that is damaged.
        OSError: when the disk takes no more.
    """
    start, order = header(pieces)

    def content() -> Iterator[memoryview]:
        for name in order:
            size = 0
            for block in pieces[name].blocks():
                size += len(block)
                yield block
            pieces[name].forget()
            if size != pieces[name].nbytes:
                raise FormatError(f"{name} has {size} bytes, not {pieces[name].nbytes}.")

    with hashed_file(path, advance) as file, closing(ahead(content())) as blocks:
        file.write(start)
        for block in blocks:
            file.write(block)
        return file.digest()

"""A torch archive on a server, of which only the pickle is read: a few kilobytes of gigabytes.

Three parts are asked for: the end, the directory, and the record ``data.pkl``, by the directory's
word, as torch's reader finds it. They are laid at their places in a file that is empty otherwise.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.errors import FormatError
from stages.common.archive import MAX_SMALL, Archive
from stages.common.directory import ArchiveRecord, content_at, extent, named_in

Ranged = Callable[[int, int], bytes]
"""Gives so many bytes (the second) of a file from an offset (the first) on."""

TAIL = 64 << 10
"""Bytes of the end that are asked for at once: with a release's own directory, as a rule."""

_PICKLE = "data.pkl"
_HEADER = 1 << 10


def demand_safe(ranged: Ranged, size: int, name: str) -> None:
    """Make sure that a pickle asks for nothing that a checkpoint does not hold; none of it is run.

    Args:
        ranged: reads the file.
        size: of the file, in bytes.
        name: of the file, for messages.

    Raises:
        FormatError: when it asks for more, or the file is no archive as torch writes it.
        SourceError: as ``ranged``.
    """
    _ = root_of(ranged, size, name)


def root_of(ranged: Ranged, size: int, name: str) -> Any:
    """Give what a pickle holds, its tensors as references that cannot be read.

    Args:
        ranged: reads the file.
        size: of the file, in bytes.
        name: of the file, for messages.

    Raises:
        FormatError: as `demand_safe`.
        SourceError: as ``ranged``.
    """
    with tempfile.TemporaryFile() as file:
        return _Outline(Path(name), file, ranged, size).root


class _Outline(Archive):
    """An archive with its pickle and without its weights."""

    def __init__(self, path: Path, file: BinaryIO, ranged: Ranged, size: int) -> None:
        """Bring what is needed into an empty file."""
        self._ranged, self._size = ranged, size
        file.truncate(size)
        super().__init__(path, file.fileno())

    def _directory(self) -> Mapping[str, ArchiveRecord]:
        size = self._size
        self._bring(max(size - TAIL, 0), TAIL)
        start, length = extent(self._file, size)
        if start < size - TAIL:
            self._bring(start, length)
        records = named_in(self._file, size)
        if _PICKLE not in records or "constants.pkl" in records:
            raise FormatError("The archive is not one of a checkpoint.")
        record = records[_PICKLE]
        content = self._bring(record.offset, min(record.size, MAX_SMALL) + _HEADER)
        begin = record.offset + content_at(content, _PICKLE)
        return {**records, _PICKLE: replace(record, offset=begin)}

    def _bring(self, start: int, length: int) -> bytes:
        length = min(length, self._size - start)
        content = self._ranged(start, length) if length > 0 else b""
        os.pwrite(self._file, content, start)
        return content

"""A file that is written and hashed in one pass, by two threads, a few megabytes behind."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pipeline import files
from pipeline.manifest import FileDigest

_BEHIND = 12
"""Blocks that wait to be written and hashed."""

_STRIDE = 16 << 20
"""Bytes that are handed to the disk at once."""


class HashedFile:
    """Takes the bytes of a file in order; use `hashed_file`."""

    def __init__(
        self,
        file: BinaryIO,
        writing: ThreadPoolExecutor,
        hashing: ThreadPoolExecutor,
        advance: Callable[[int], None] | None,
    ) -> None:
        """Take over an open file without a buffer, and two threads."""
        self._file, self._advance = file, advance
        self._writing, self._hashing = writing, hashing
        self._hasher, self._size = hashlib.sha256(), 0
        self._waiting: deque[tuple[Future[None], Future[None]]] = deque()

    def write(self, block: bytes | memoryview) -> None:
        """Take the next bytes, which nobody may change any more."""
        self._waiting.append(
            (
                self._writing.submit(_write, self._file, block),
                self._hashing.submit(self._hasher.update, block),
            )
        )
        self._size += len(block)
        if self._advance is not None:
            self._advance(len(block))
        self._settle(_BEHIND)

    def digest(self) -> FileDigest:
        """Give size and sha256 of all that was taken, once it is written."""
        self._settle(0)
        return FileDigest(self._size, self._hasher.hexdigest())

    def _settle(self, left: int) -> None:
        while len(self._waiting) > left:
            for done in self._waiting.popleft():
                done.result()


@contextmanager
def hashed_file(path: Path, advance: Callable[[int], None] | None = None) -> Iterator[HashedFile]:
    """Give a file to write that takes the place of ``path`` at the end: whole, or not at all.

    Args:
        path: the file.
        advance: told the bytes that are taken.
    """
    with (
        files.new_file(path, buffering=0) as file,
        ThreadPoolExecutor(1) as hashing,
        ThreadPoolExecutor(1) as writing,
    ):
        yield HashedFile(file, writing, hashing, advance)


def _write(file: BinaryIO, block: bytes | memoryview) -> None:
    """Write a block; of every few megabytes, the disk begins to write the last ones."""
    rest = memoryview(block)
    while rest:
        rest = rest[file.write(rest) :]
    end = file.tell()
    strides = end // _STRIDE
    if strides > (end - len(block)) // _STRIDE:
        files.begin_to_sync(file, (strides - 1) * _STRIDE, _STRIDE)

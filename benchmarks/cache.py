"""What the kernel keeps of a file in memory: whether a read is warm or cold.

It is the cache of this machine alone: a virtual machine's disk may be cached by its host as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.files import BUFFER

_PROBES = 200


def drop(path: Path) -> None:
    """Have the kernel forget a file, so that the next read is from the disk."""
    with _opened(path) as file:
        os.fsync(file)  # what is not on the disk yet would stay
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def fill(path: Path) -> None:
    """Read a file into the cache, where it is not there already."""
    if cached(path) == 1:
        return
    buffer = bytearray(BUFFER)
    with _opened(path) as file:
        for at in range(0, os.fstat(file).st_size, BUFFER):
            os.preadv(file, [buffer], at)


def cached(path: Path) -> float | None:
    """Tell which share of a file is in the cache, from 0 to 1, by probing evenly spaced bytes.

    ``None`` where the file system cannot tell.
    """
    found = 0
    with _opened(path) as file:
        size = os.fstat(file).st_size
        for probe in range(_PROBES):
            try:
                os.preadv(file, [bytearray(1)], size * probe // _PROBES, os.RWF_NOWAIT)
                found += 1
            except BlockingIOError:
                pass
            except OSError:
                return None
    return found / _PROBES


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield file
    finally:
        os.close(file)

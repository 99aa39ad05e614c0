"""What the kernel keeps of a file in memory: whether a read is warm or cold.

It is the cache of this machine alone: a virtual machine's disk may be cached by its host as well.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

from pipeline.files import BUFFER


def drop(path: Path) -> None:
    """Have the kernel forget a file, so that the next read is from the disk."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)  # what is not on the disk yet would stay
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)


def fill(path: Path) -> None:
    """Read a file into the cache, where it is not there already."""
    if cached(path) == 1:
        return
    with path.open("rb", buffering=0) as file:
        buffer = bytearray(BUFFER)
        while file.readinto(buffer):
            pass


def cached(path: Path) -> float:
    """Tell which share of a file's pages is in the cache, from 0 to 1.

    Asked of ``mincore``, which reads nothing; a read that must not wait would start a readahead.

    Raises:
        OSError: when the kernel does not tell.
    """
    size = path.stat().st_size
    pages = bytearray(-(-size // mmap.PAGESIZE))
    vector = (ctypes.c_ubyte * len(pages)).from_buffer(pages)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        start = ctypes.c_char.from_buffer(mapped)
        address = ctypes.c_void_p(ctypes.addressof(start))
        failed = ctypes.CDLL(None, use_errno=True).mincore(address, ctypes.c_size_t(size), vector)
        del start  # or the mapping cannot be closed
        if failed:
            raise OSError(ctypes.get_errno(), "mincore", str(path))
    return sum(page & 1 for page in pages) / len(pages)

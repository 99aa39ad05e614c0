"""Memory for blocks, used again.

A fresh megabyte for every block costs as much as reading it: the C library takes it from the
system, which fills it with zeros page by page, and gives it back at once.
"""

from __future__ import annotations

import weakref
from collections import deque

from pipeline.files import BUFFER

_KEPT = 32
"""Buffers that wait for their next use; more than are ever under way at once."""

_free: deque[bytearray] = deque(maxlen=_KEPT)


def buffer(size: int) -> memoryview:
    """Give memory to write to; what is in it is left over from before.

    It is used again when the view, all its slices, and all arrays on them are gone.

    Args:
        size: bytes; only what is no larger than `BUFFER` is used again.
    """
    import numpy as np

    if size > BUFFER:
        return memoryview(bytearray(size))

    try:
        memory = _free.pop()
    except IndexError:
        memory = bytearray(BUFFER)
    # The array is what every view holds on to. Bytearrays and views cannot be watched themselves.
    watched = np.frombuffer(memory, np.uint8, size)
    weakref.finalize(watched, _free.append, memory).atexit = False
    return watched.data

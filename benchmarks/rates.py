"""How fast each step of an export is alone, on one thread, a megabyte at a time."""

from __future__ import annotations

import hashlib
import os
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from benchmarks import cache
from pipeline.files import BUFFER
from stages.common.casting import cast

BLOCKS = 1024
"""How many blocks are read and written at most."""
_IN_MEMORY = 64
"""How many blocks are computed with: more than a cache that the processor has to itself."""
_PASSES = 3


def measure(source: Path, target: Path) -> dict[str, float]:
    """Give gigabytes per second by the name of the step.

    Args:
        source: a file of float32 numbers to read.
        target: a file to write; left behind.
    """
    cache.drop(source)
    with source.open("rb", buffering=0) as file:
        count = min(BLOCKS, os.fstat(file.fileno()).st_size // BUFFER)
        buffer = bytearray(BUFFER)

        def read() -> None:
            for at in range(count):
                os.preadv(file.fileno(), [buffer], at * BUFFER)

        found = {"read, cold": _rate(read, count), "read, warm": _best(read, count)}
        few = range(min(count, _IN_MEMORY))
        blocks = [os.pread(file.fileno(), BUFFER, at * BUFFER) for at in few]
    for name, step in _steps():

        def compute(step: Callable[[bytes], object] = step) -> None:
            for block in blocks:
                step(block)

        found[name] = _best(compute, len(blocks))
    with target.open("wb", buffering=0) as file:

        def write() -> None:
            for at in range(count):
                file.write(blocks[at % len(blocks)])

        found["write"] = _rate(write, count)
        found["sync after write"] = _rate(lambda: os.fdatasync(file.fileno()), count)
    return found


def _steps() -> Iterator[tuple[str, Callable[[bytes], object]]]:
    """Give what is done to a block in memory."""
    yield "sha256", hashlib.sha256().update
    yield "crc32 of zlib", zlib.crc32
    for name, place in (("isal", "isal.isal_zlib"), ("zlib-ng", "zlib_ng.zlib_ng")):
        with suppress(ImportError):
            yield f"crc32 of {name}", import_module(place).crc32
    yield "cast to float16", lambda block: cast(memoryview(block), "float32", "float16")


def _rate(step: Callable[[], None], blocks: int) -> float:
    began = time.perf_counter()
    step()
    return blocks * BUFFER / 1e9 / (time.perf_counter() - began)


def _best(step: Callable[[], None], blocks: int) -> float:
    return max(_rate(step, blocks) for _ in range(_PASSES))

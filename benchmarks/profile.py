"""Where the threads of an export are, by looking at them every few milliseconds.

A thread is counted at the line of this project that it is in or waits in, however deep below that
line it is; one that is in none, as a pool's that was given a function of C, where it is. Unlike
``cProfile`` this sees all threads, and hardly slows them.
"""

from __future__ import annotations

import linecache
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.process import ROOT

INTERVAL = 0.002
LEAST = 0.02
"""A line with a smaller share of its thread's time is left out."""

Row = dict[str, Any]
"""``thread``, ``place`` (file and line), ``line`` (its text), ``share`` of the samples, 0 to 1."""


def sampled(work: Callable[[], Any]) -> list[Row]:
    """Do the work and give where each thread was, the most frequent places first."""
    looker = _Looker()
    looker.start()
    try:
        work()
    finally:
        looker.done.set()
        looker.join()
    rows = [
        {"thread": thread, "place": place, "line": line, "share": count / looker.looks}
        for (thread, place, line), count in looker.seen.most_common()
        if count / looker.looks >= LEAST
    ]
    return sorted(rows, key=lambda row: str(row["thread"]))


class _Looker(threading.Thread):
    def __init__(self) -> None:
        super().__init__(name="looker", daemon=True)
        self.done = threading.Event()
        self.looks = 0
        self.seen: Counter[tuple[str, str, str]] = Counter()

    def run(self) -> None:
        while not self.done.is_set():
            names = {thread.ident: thread.name for thread in threading.enumerate()}
            self.looks += 1
            for ident, frame in sys._current_frames().items():
                if ident != self.ident:
                    self.seen[names.get(ident, "?"), *_place(frame)] += 1
            time.sleep(INTERVAL)


def _place(innermost: FrameType) -> tuple[str, str]:
    """Give the innermost line of pipeline/ or stages/ in a stack, and its text."""
    frame: FrameType | None = innermost
    while frame is not None and not _ours(frame):
        frame = frame.f_back
    found = frame or innermost
    path, number = found.f_code.co_filename, found.f_lineno or 0  # between two lines: none
    return f"{Path(path).name}:{number}", linecache.getline(path, number).strip()


def _ours(frame: FrameType) -> bool:
    path = Path(frame.f_code.co_filename)
    return path.is_relative_to(ROOT / "stages") or path.is_relative_to(ROOT / "pipeline")

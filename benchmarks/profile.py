"""Where the threads of an export are, by looking at them every few milliseconds.

A thread is counted at the line of this project that it is in or waits in, however deep below that
line it is. Unlike ``cProfile`` this sees all threads, and hardly slows them.
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
                if ident != self.ident and (found := _place(frame)):
                    self.seen[names.get(ident, "?"), *found] += 1
            time.sleep(INTERVAL)


def _place(frame: FrameType | None) -> tuple[str, str] | None:
    """Give the innermost line of pipeline/ or stages/ in a stack, and its text."""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT / "stages") or path.is_relative_to(ROOT / "pipeline"):
            line = linecache.getline(str(path), frame.f_lineno).strip()
            return f"{path.name}:{frame.f_lineno}", line
        frame = frame.f_back
    return None

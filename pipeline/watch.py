"""Around the jobs of a sweep: telling of those that run elsewhere, and ending with all of them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from types import FrameType

from pipeline.sweep import Job

PACE = 1.0
"""Seconds between two looks; a job takes at least as long."""


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does: workers would outlive a driver that just dies."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def watched(jobs: Sequence[Job], tell: Callable[[Job], None] | None) -> Iterator[None]:
    """Tell of each job once, by its own word, as soon as it has ended.

    Args:
        jobs: what the block waits for.
        tell: called from another thread, with one job after the other; ``None`` where the jobs
            speak for themselves.
    """
    if tell is None:
        yield
        return
    told, over = set[int](), Event()

    def look() -> None:
        for job in jobs:
            if job.number not in told and (now := job.now).ended:
                told.add(job.number)
                tell(now)

    def watch() -> None:
        while not over.wait(PACE):
            look()

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        look()

"""Telling of jobs that run elsewhere as they end, while their launcher waits for all in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from pipeline.sweep import Job

PACE = 1.0
"""Seconds between two looks; a job takes at least as long."""


@contextmanager
def watched(jobs: Sequence[Job], tell: Callable[[Job], None]) -> Iterator[None]:
    """Tell of each job once, by its own word, as soon as it has ended.

    Args:
        jobs: what the block waits for.
        tell: called from another thread, with one job after the other.
    """
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

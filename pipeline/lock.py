"""One run per folder: an operating-system lock, which the death of its holder releases."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import LockedError


def _holder(path: Path) -> str:
    """Say who holds the lock, as far as the lock file tells."""
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


@contextmanager
def hold(path: Path, timeout: float, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock at ``path`` while the block runs.

    Args:
        path: the lock file; made when missing, and never removed.
        timeout: seconds to wait for another holder.
        waiting: told once, with the holder's name, when there is a wait.

    Raises:
        LockedError: when the other run did not end in time.
    """
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        waiting(_holder(path))
        try:
            lock.acquire(timeout=timeout)
        except Timeout:
            raise LockedError(
                f"Another run holds this folder: {_holder(path)}; waited {timeout:g} s.",
                str(path.parent),
                "Wait for it to end, or give it longer: lock_timeout=3600",
            ) from None
    try:
        path.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        yield
    finally:
        lock.release()

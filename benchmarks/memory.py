"""The anonymous memory of a process: what it allocated, without the pages of files.

It is sampled, since the kernel keeps a peak (``VmHWM``) only of all resident memory: that counts
the pages of mapped libraries too, which cost nothing and differ with what is installed.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

INTERVAL = 0.002
"""Seconds between two samples; a block of 1 MB takes about as long to export."""
SLOW_INTERVAL = 0.05
"""The same where several processes are watched over minutes."""


def anonymous(pid: int | str = "self") -> int:
    """Give the bytes of anonymous memory that a process holds now; 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for line in status.splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0  # it has ended, but nobody has asked for its status yet


def peaks(process: subprocess.Popen[str]) -> dict[int, int]:
    """Wait for a process to end; give the same of it and of all that it started, by their ids."""
    most: dict[int, int] = {}
    while process.poll() is None:
        for pid in _family(process.pid):
            most[pid] = max(most.get(pid, 0), anonymous(pid))
        time.sleep(SLOW_INTERVAL)
    return most


def _family(pid: int) -> Iterator[int]:
    """Give a process and its descendants, as far as they live."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            for child in children.read_text().split():
                yield from _family(int(child))


def peak(process: subprocess.Popen[str]) -> int:
    """Wait for a process to end, and give the most anonymous memory that it held, in bytes."""
    most = 0
    while process.poll() is None:
        most = max(most, anonymous(process.pid))
        time.sleep(INTERVAL)
    return most

"""One training per signature: a lock that outlives the run that took it, as long as it trains."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import TrainingError

PAUSE = 0.2
"""Seconds between two looks at a lock that another process holds."""


@dataclass(frozen=True)
class Holder:
    """Who trains, or was the last to: process, machine, and the package that is trained."""

    pid: int
    host: str
    package: str

    def __str__(self) -> str:
        """Name the process for people."""
        return f"process {self.pid} on {self.host}"

    @classmethod
    def read(cls, path: Path) -> Holder | None:
        """Read a lock file; ``None`` when it is new, or was cut short by a kill."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


@dataclass(frozen=True)
class TrainingLock:
    """The lock, held.

    Attributes:
        path: the lock file; never removed.
        descriptor: to be inherited by the process that trains: should the run that started it
            die, the lock stays with the training, and the next run waits for it.
        package: the training package.
    """

    path: Path
    descriptor: int
    package: str

    def tell(self, pid: int) -> None:
        """Say in the lock file which process trains."""
        holder = Holder(pid, socket.gethostname(), self.package)
        self.path.write_text(json.dumps(vars(holder)), encoding="utf-8")


@contextmanager
def hold(path: Path, package: str, waiting: Callable[[str], None]) -> Iterator[TrainingLock]:
    """Hold the lock of an experiment while the block runs, waiting for whoever has it.

    Args:
        path: the lock file.
        package: the package that is to be trained.
        waiting: told once, with the holder's name, when there is a wait.

    Raises:
        TrainingError: when the experiment belongs to another package.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _acquire(descriptor, path, waiting)
        last = Holder.read(path)
        if last is not None and last.package != package:
            raise TrainingError(
                f"{package} and {last.package} both call their experiment {path.stem}.",
                str(path),
                "Set this one apart with an override, such as label=NAME, or use other outputs=.",
            )
        lock = TrainingLock(path, descriptor, package)
        lock.tell(os.getpid())
        yield lock
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, waiting: Callable[[str], None]) -> None:
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not told:
                waiting(str(Holder.read(path) or "another process"))
                told = True
        time.sleep(PAUSE)

"""Running one method in a process of its own, and measuring it.

The process (`benchmarks.work`) writes one JSON line when its imports are done, and one at its end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import memory

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Measured:
    """One run of a method.

    Attributes:
        seconds: wall clock of the work alone.
        process: wall clock from the start of the process to its end.
        result: what the work gave back: a sha256, or a table.
    """

    seconds: float
    process: float
    result: Any


@dataclass(frozen=True)
class SweepRun:
    """One sweep.

    Attributes:
        seconds: wall clock of the whole command.
        driver: the peak of anonymous memory of the process that was started, in bytes.
        worker: the same of the largest of those that it started; 0 when there was none.
    """

    seconds: float
    driver: int
    worker: int


def python(*arguments: str) -> list[str]:
    """Give the command that runs a module with this Python."""
    return [sys.executable, "-m", *arguments]


def environment() -> Mapping[str, str]:
    """Give the environment in which this checkout's modules are found from any folder."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}


def timed(folder: Path, *arguments: str) -> Measured:
    """Do some work (see `benchmarks.work`) in a folder, and measure its time.

    Raises:
        subprocess.CalledProcessError: when it fails; it has told why.
    """
    began = time.perf_counter()
    with _started(python("benchmarks.work", *arguments), folder) as process:
        output, _ = process.communicate()
        took = time.perf_counter() - began
    _demand_success(process)
    done = json.loads(output.splitlines()[-1])
    return Measured(done["seconds"], took, done["result"])


def peak_above_imports(folder: Path, *arguments: str) -> int:
    """Do some work in a folder, and give its peak of anonymous memory above that of its imports.

    Raises:
        subprocess.CalledProcessError: when it fails; it has told why.
    """
    with _started(python("benchmarks.work", *arguments), folder) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        most = memory.peak(process)
    _demand_success(process)
    return most - int(json.loads(ready)["anonymous"])


def peak_of(folder: Path, command: Sequence[str]) -> int:
    """Run a whole command in a folder, and give its peak of anonymous memory.

    Raises:
        subprocess.CalledProcessError: when it fails; it has told why.
    """
    with _started(command, folder, stdout=subprocess.DEVNULL) as process:
        most = memory.peak(process)
    _demand_success(process)
    return most


def swept(folder: Path, command: Sequence[str]) -> SweepRun:
    """Run a sweep in a folder, and measure it with all processes that it starts.

    Raises:
        subprocess.CalledProcessError: when it fails.
    """
    began = time.perf_counter()
    with _started(command, folder, stdout=subprocess.DEVNULL) as process:
        peaks = memory.peaks(process)
    took = time.perf_counter() - began
    _demand_success(process)
    driver = peaks.pop(process.pid, 0)
    return SweepRun(took, driver, max(peaks.values(), default=0))


@contextmanager
def _started(
    command: Sequence[str], folder: Path, stdout: int = subprocess.PIPE
) -> Iterator[subprocess.Popen[str]]:
    """Start a command; whatever ends the block early ends it too, and all that it started."""
    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=stdout, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        except BaseException:
            with suppress(ProcessLookupError):  # it has ended already
                os.killpg(process.pid, signal.SIGKILL)
            raise


def _demand_success(process: subprocess.Popen[str]) -> None:
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)

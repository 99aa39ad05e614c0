"""What went wrong in a training process, from its exit status and its last words."""

from __future__ import annotations

import errno
import os
import re
import signal
from pathlib import Path

from pipeline import files
from pipeline.errors import OutputError, TrainingError
from stages.train.experiment import Training

TAIL = 64 * 1024
"""Bytes of a log that are searched for its last words."""
CRAMPED = 1 << 20
"""Free bytes below which a failure is the disk's."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_EXCEPTION = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit)\b.*")


def last_words(log: Path, start: int, status: int) -> str:
    """Give the line that says why a process failed.

    Args:
        log: what the process printed.
        start: where its part of the log begins, in bytes.
        status: its exit status; negative for a signal.
    """
    if status < 0:
        return f"ended by {signal.Signals(-status).name}" + (
            " (out of memory?)" if status == -signal.SIGKILL else ""
        )
    with log.open("rb") as file:
        file.seek(max(start, os.fstat(file.fileno()).st_size - TAIL))
        text = _COLOUR.sub("", file.read().decode(errors="replace"))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    raised = [line for line in lines if _EXCEPTION.fullmatch(line)]
    return (raised or lines or [f"exit status {status}"])[-1][:200]


def judge(package: str, training: Training, status: int, start: int) -> None:
    """Raise what the end of a training process amounts to, unless it left a whole experiment.

    Args:
        package: what was trained.
        training: the experiment.
        status: the exit status; negative for a signal.
        start: where this process began to write into the log, in bytes.

    Raises:
        OutputError: when the disk is full.
        TrainingError: when the process failed, or left no checkpoint, or too few epochs.
    """
    done = len(training.history)
    where = f"The whole output is in {training.log}"
    if status != 0:
        words = last_words(training.log, start, status)
        if os.strerror(errno.ENOSPC) in words or files.free_bytes(training.dora_dir) < CRAMPED:
            full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise OutputError.from_os(full, str(training.dora_dir)) or full
        again = f"go on after epoch {done}" if done else "try again"
        hint = f"Once that is cured, the same command will {again}."
        raise TrainingError(f"Training {package} failed: {words}", where, hint)
    if not training.checkpoint.is_file():
        what = f"Training {package} ended without a checkpoint.th."
        raise TrainingError(what, str(training.folder), where)
    if training.epochs is not None and done < training.epochs:
        what = f"Training {package} ended after epoch {done} of {training.epochs}."
        raise TrainingError(what, where, "The same command will go on from there.")

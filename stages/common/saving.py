"""Checkpoints that a trainer is still saving.

AudioCraft writes ``NAME.tmp`` (source: ``flashy.utils.write_and_rename``). Once it is complete, on
every rank of an FSDP run, rank 0 adds the token ``NAME.tmp.done``; only then are the files renamed,
and the token removed. Whoever saves without a temporary file leaves one that grows.
"""

from __future__ import annotations

import time
from pathlib import Path

from pipeline.errors import FormatError, PipelineError, SourceError

_RECENT = 60.0
"""Seconds since the last write after which a file is not worth waiting for."""

_PATIENCE = 0.5
"""Seconds in which a file that is being written grows."""


def unnamed(path: Path) -> Path:
    """Give where a file is while it is saved."""
    return path.with_name(f"{path.name}.tmp")


def token(path: Path) -> Path:
    """Give what stands beside an unnamed file once it is complete."""
    return path.with_name(f"{path.name}.tmp.done")


def complete(path: Path) -> Path | None:
    """Give a file by its name; a complete unnamed one comes first, since it is newer."""
    if unnamed(path).is_file() and token(path).is_file():
        return unnamed(path)
    return path if path.is_file() else None


def demand_complete(path: Path) -> None:
    """Make sure that a file which is there is not one that is being saved.

    Raises:
        SourceError: when it is.
    """
    named = path.with_suffix("")
    if path == unnamed(named) and path.is_file() and not token(named).is_file():
        raise SourceError(
            "The checkpoint is being written, or was left by an interrupted save.",
            str(path),
            "Wait for the run to save it. If you know that it is complete, rename it.",
        )


def note(path: Path) -> tuple[str, ...]:
    """Say it where a file only lacks its name."""
    if path != unnamed(path.with_suffix("")):
        return ()
    return (f"{path.name} is used: it is complete, and only lacks its name",)


def explained(error: PipelineError, path: Path | None) -> PipelineError:
    """Give the reason why a file cannot be read, where that is a trainer at work on it.

    Takes a moment where the file was written to a moment ago.
    """
    if isinstance(error, FormatError) and path is not None and _grows(path):
        return FormatError(
            "The checkpoint is being written: it changes while it is looked at.",
            str(path),
            "Wait for the run to save it.",
        )
    return error


def _grows(path: Path) -> bool:
    try:
        before = path.stat()
        if time.time() - before.st_mtime > _RECENT:
            return False
        time.sleep(_PATIENCE)
        now = path.stat()
    except FileNotFoundError:
        return True  # renamed meanwhile
    return (before.st_size, before.st_mtime_ns) != (now.st_size, now.st_mtime_ns)

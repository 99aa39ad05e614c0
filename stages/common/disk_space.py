"""Whether a file fits on a disk, asked before its first byte."""

from __future__ import annotations

from pathlib import Path

from pipeline import files
from pipeline.amounts import apart
from pipeline.errors import OutputError


def demand_space(folder: Path, size: int) -> None:
    """Make sure that ``size`` bytes fit on the disk of ``folder``.

    Raises:
        OutputError: when they do not.
    """
    free = files.free_bytes(folder)
    if free < size:
        needed, there = apart(size, free)
        raise OutputError(
            f"The disk is too full: {needed} are needed, {there} are free.",
            str(folder),
            "Free some space, or choose another disk: outputs=/path/to/folder",
        )

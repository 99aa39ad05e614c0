"""Making a release again: the real pipeline, in a process of its own and an empty folder.

The process is what a person would start, so that nothing of this one can shape the bytes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline import files
from pipeline.errors import OutputError
from pipeline.layout import Outputs, ReleaseFolder
from stages.common.repeated_request import RepeatedRequest

NAME = "made_again"
"""Of the release file; the release in it has its own name."""

_PATIENCE = 10.0
"""Seconds that the pipeline gets to end after Ctrl-C."""

_FIXED = ("validate=off", "push=none", "until_stage=package")
"""A release is neither judged nor published again."""


@dataclass(frozen=True)
class Made:
    """What the pipeline made.

    Attributes:
        release: the folder; ``None`` where it made none.
        refusal: the lines in which it said why.
    """

    release: ReleaseFolder | None
    refusal: tuple[str, ...] = ()


@contextmanager
def workplace(keep: Path | None) -> Iterator[Path]:
    """Give an empty folder: removed afterwards, unless it is one to keep.

    Raises:
        OutputError: when the one to keep is not empty, or cannot be made.
    """
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="reproduce-") as folder:
            yield Path(folder)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
        if any(keep.iterdir()):
            what = "The folder to keep it in is not empty: what is there might be taken for made."
            raise OutputError(what, str(keep), "Choose another: --keep FOLDER")
    except OSError as error:
        refused = OutputError.from_os(error, str(keep))
        raise refused or OutputError(
            f"Cannot make the folder: {error.strerror}.", str(keep)
        ) from error
    yield keep.absolute()


def make(request: RepeatedRequest, folder: Path, more: Sequence[str] = ()) -> Made:
    """Run the pipeline; on a terminal, its progress goes to the error stream.

    Args:
        request: what to make.
        folder: an empty one, to make it in.
        more: further overrides, as a person types them.
    """
    outputs = Outputs(folder)
    if request.trained is not None:
        outputs.dora.symlink_to(request.trained)
    with tempfile.TemporaryDirectory(prefix="request-") as place:
        file = Path(place, "release", f"{NAME}.yaml")
        file.parent.mkdir()
        files.write_text(file, request.text_with(outputs=str(folder)))
        chosen = (f"checkpoint={request.checkpoint}", f"compression={request.compression}")
        arguments = ("--config-dir", place, f"+release={NAME}", *chosen, *_FIXED, *more)
        status, said = _run([sys.executable, "-m", "pipeline", *arguments])
    made = sorted(folder.glob("*/*/release"))
    if status == 0 and made:
        return Made(ReleaseFolder(made[0]))
    return Made(None, _refusal(said) or (f"The pipeline ended with the status {status}.",))


def _run(command: Sequence[str]) -> tuple[int, str]:
    """Run it to its end; Ctrl-C ends it first, so that nothing is written any more.

    A person sees its progress; a program has no use for the plan of a release that will be gone.
    """
    seen = 2 if os.isatty(2) else subprocess.DEVNULL
    with subprocess.Popen(command, stdout=seen, stderr=subprocess.PIPE, text=True) as process:
        try:
            _, said = process.communicate()
        except BaseException:
            with suppress(subprocess.TimeoutExpired):
                process.wait(1.0)  # a terminal has told it already
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
        return process.returncode, said


def _refusal(said: str) -> tuple[str, ...]:
    """Give the last error that the pipeline told, without its mark."""
    lines = said.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("error ")]
    if not starts:
        return tuple(lines[-3:])
    return (lines[starts[-1]].removeprefix("error "), *lines[starts[-1] + 1 :])

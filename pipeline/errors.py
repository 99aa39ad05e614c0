"""Everything that can go wrong, as one tree.

    PipelineError            what happened, where, and what to type next
    ├── ConfigError          the request: a key, a value, something not given
    ├── SourceError          a checkpoint or codec that is not where the request says
    ├── FormatError          a file that is damaged, unsafe, or of another kind
    ├── TrainingError        the training subprocess failed
    ├── ValidationError      the exported files are not a release
    ├── PushError            the release could not be published
    ├── OutputError          the output folder: read-only, full, not a folder
    ├── LockedError          another run holds the folder
    ├── SweepError           jobs of a sweep failed, or could not begin
    └── ChecksError          everything that the stages' checks found, together

They derive from Hydra's ``CompactHydraException``, so a worker that Hydra runs prints no traceback.
Library code raises; only the entry point prints and ends the process.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra.errors import CompactHydraException

if TYPE_CHECKING:
    from pipeline.stage import Problem


_MOST = 1000
"""Characters of a line."""


def _line(text: str) -> str:
    """Make it one line: an error often quotes a file, which may neither fill nor steer a screen."""
    text = text if len(text) <= _MOST else f"{text[:_MOST]}..."
    if text.isprintable():
        return text
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(shown)


class PipelineError(CompactHydraException):
    """An error with at most three lines: what happened, where, and what to type next."""

    def __init__(self, what: str, where: str = "", hint: str = "") -> None:
        """Join the lines that are given; ``what`` is always the first."""
        self.what, self.where, self.hint = map(_line, (what, where, hint))
        super().__init__("\n".join(line for line in (self.what, self.where, self.hint) if line))

    def __reduce__(self) -> tuple[type[PipelineError], tuple[str, str, str]]:
        """Survive the way back from a worker process."""
        return type(self), (self.what, self.where, self.hint)


def unexpected(error: BaseException, where: str = "") -> PipelineError:
    """Say of an error that nobody foresaw what it is, and whose fault."""
    what = f"Unexpected {type(error).__name__}: {error}"[:300].replace("\n", " ")
    return PipelineError(what, where, "This is a fault of the pipeline: please report it.")


class ConfigError(PipelineError):
    """The request itself is wrong or incomplete."""


class SourceError(PipelineError):
    """A checkpoint, an experiment or a codec is not where the request says."""

    @classmethod
    def from_os(cls, error: OSError) -> SourceError:
        """Say in our words that the operating system did not let it be read."""
        what = f"It cannot be read: {error.strerror or error}."
        return cls(what, str(error.filename or ""))


class FormatError(PipelineError):
    """A file is damaged, unsafe to read, or not of the kind that was expected."""


class TrainingError(PipelineError):
    """The training subprocess failed."""


class ValidationError(PipelineError):
    """The exported files do not make a release."""


class PushError(PipelineError):
    """The release could not be published."""


class OutputError(PipelineError):
    """The output folder cannot be written."""

    @classmethod
    def from_os(cls, error: OSError, where: str) -> OutputError | None:
        """Say in our words what the operating system refused; ``None`` for other errors."""
        what = _REFUSALS.get(error.errno or 0)
        if what is None:
            return None
        hint = _LARGER if error.errno == errno.EFBIG else ELSEWHERE
        return cls(f"Cannot write the output: {what}.", where, hint)


ELSEWHERE = "Choose another place: outputs=/path/to/folder"
_LARGER = "Raise the limit (ulimit -f unlimited), or choose another disk: outputs=/path/to/folder"


_REFUSALS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file would be larger than the shell or the disk allows",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.ENOTDIR: "a part of the path is not a folder",
    errno.EEXIST: "a file stands where the folder should be",
    errno.ENAMETOOLONG: "the path is too long",
}


class LockedError(PipelineError):
    """Another run holds the folder and did not let go in time."""


class SweepError(PipelineError):
    """Jobs of a sweep failed; the others are complete."""


class ChecksError(PipelineError):
    """All the problems that the stages' checks found, reported at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the problems; one problem reads like an error of its own."""
        self.problems = tuple(problems)
        if len(self.problems) == 1:
            only = self.problems[0]
            super().__init__(only.what, only.where, only.hint)
        else:
            super().__init__(f"{len(self.problems)} problems, nothing was run:")

    def __str__(self) -> str:
        """Give every problem, each in its own lines."""
        if len(self.problems) == 1:
            return super().__str__()
        return "\n".join([self.what, *(f"- {problem}" for problem in self.problems)])

    def __reduce__(self) -> tuple[type, tuple[tuple[Problem, ...]]]:  # type: ignore[override]
        """Survive the way back from a worker process."""
        return type(self), (self.problems,)

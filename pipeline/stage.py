"""The interface between the engine and a stage, and the values that cross it.

A stage is built by Hydra from ``cfg.stage[NAME]`` with the part of the config that it needs. It
never exits, never prints, and never reads another stage's config: it raises `PipelineError`,
reports through `Context.progress`, and learns about earlier stages from their records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import PipelineError
from pipeline.layout import Run
from pipeline.manifest import FileDigest

Facts = Mapping[str, Any]
"""JSON values by name: ``None``, bool, int, float, str, and lists and dicts of them."""


@dataclass(frozen=True)
class Problem:
    """Something wrong that a check found before any work: what, where, what to type next."""

    what: str
    where: str = ""
    hint: str = ""

    @classmethod
    def of(cls, error: PipelineError) -> Problem:
        """Turn an error that a check ran into, into a problem to report."""
        return cls(error.what, error.where, error.hint)

    def __str__(self) -> str:
        """Give one to three lines."""
        return "\n  ".join(line for line in (self.what, self.where, self.hint) if line)


@dataclass(frozen=True)
class Plan:
    """What a stage will do, told before any work.

    Attributes:
        summary: one line for the plan table.
        size: bytes that the stage will write, or ``None`` when it cannot know yet.
        needed: ``False`` when this request has no use for the stage (``train`` for a file).
        facts: what later stages may already count on when they check and plan; the same names as
            in the record's facts. May be empty.
        local: the same for the record's local facts.
        notes: lines to show under the plan table.
    """

    summary: str
    size: int | None = None
    needed: bool = True
    facts: Facts = field(default_factory=dict)
    local: Facts = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """What a finished stage tells the ones after it; kept in its ``stage.json``.

    Attributes:
        facts: what may shape the bytes of later stages. No path, clock, host or tool version.
        local: what is true only on this machine (paths, stat figures); never hashed or pushed.
        digests: digests of output files that the stage knows already; the engine hashes the rest.
        warnings: lines for the final table.
    """

    facts: Facts = field(default_factory=dict)
    local: Facts = field(default_factory=dict)
    digests: Mapping[str, FileDigest] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Task(Protocol):
    """One progress bar."""

    def advance(self, amount: int) -> None:
        """Add ``amount`` of the task's unit."""

    def say(self, text: str) -> None:
        """Show ``text`` beside the bar (an epoch's metric, a file's name)."""


class Progress(Protocol):
    """How a stage shows that it lives."""

    def task(
        self, label: str, total: int | None = None, unit: str = "bytes"
    ) -> AbstractContextManager[Task]:
        """Show a bar while the block runs; ``total`` is in ``unit`` (``bytes`` or a noun)."""

    def note(self, text: str) -> None:
        """Show one line that stays."""


class _Silence:
    """A progress that shows nothing; doubles as its own task."""

    @contextmanager
    def task(self, label: str, total: int | None = None, unit: str = "bytes") -> Iterator[Task]:
        yield self

    def note(self, text: str) -> None: ...

    def advance(self, amount: int) -> None: ...

    def say(self, text: str) -> None: ...


SILENT: Progress = _Silence()
"""For library use and for checks, where nothing is shown."""


@dataclass(frozen=True)
class Context:
    """What a stage may look at while it checks, plans and runs. Read-only.

    Attributes:
        run: where this run lives; its properties name the outputs of earlier stages.
        folder: where this stage writes, already made and empty while `Stage.run` runs (a
            temporary folder, renamed when the stage is complete). Not to be touched before.
        records: the records of the finished stages, by name.
        plans: the plans of the stages before this one, by name.
        progress: where to show progress.
    """

    run: Run
    folder: Path
    records: Mapping[str, Record] = field(default_factory=dict)
    plans: Mapping[str, Plan] = field(default_factory=dict)
    progress: Progress = SILENT

    def facts(self, name: str) -> Facts:
        """Give the facts of an earlier stage: as recorded, else as planned, else none."""
        if name in self.records:
            return self.records[name].facts
        return self.plans[name].facts if name in self.plans else {}

    def local(self, name: str) -> Facts:
        """Give what an earlier stage recorded or planned about this machine, else nothing."""
        if name in self.records:
            return self.records[name].local
        return self.plans[name].local if name in self.plans else {}


class Stage(Protocol):
    """One step of a release.

    Attributes:
        name: the stage's word, also the name of its folder.
        version: raised when the same inputs give other bytes than before.
        inputs: the names of earlier stages whose records and files it reads, where they ran.
        always: ``True`` when it must look outside each time, and so is never skipped.
    """

    name: str
    version: int
    inputs: Sequence[str]
    always: bool

    def check(self, ctx: Context) -> list[Problem]:
        """Find what would make `run` fail, cheaply; the network is allowed."""

    def plan(self, ctx: Context) -> Plan:
        """Tell what `run` will do. Cheap; called after `check` found nothing."""

    def key(self, ctx: Context) -> Facts:
        """Give what shapes the output beside name, version and inputs (the engine adds those)."""

    def run(self, ctx: Context) -> Record:
        """Do the work into ``ctx.folder``."""

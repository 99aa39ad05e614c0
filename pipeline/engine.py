"""Runs a plan: a stage at a time, each left whole or not at all."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline import files
from pipeline.errors import ChecksError, OutputError, PipelineError
from pipeline.layout import Run
from pipeline.manifest import digest
from pipeline.planning import Planner, Step, ingredients_of
from pipeline.record import FileStamp, StageRecord, read_record, stamp_folder
from pipeline.selection import Selection
from pipeline.stage import Context, Progress, Stage

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How one stage ended.

    Attributes:
        name: the stage.
        verdict: ``done``, ``up to date``, ``reused``, ``not needed`` or ``failed``.
        seconds: how long it took.
        record: what it left; ``None`` when it was not needed or failed.
        origin: the sibling variant that a reused output comes from.
    """

    name: str
    verdict: str
    seconds: float = 0.0
    record: StageRecord | None = None
    origin: str = ""


class Audience(Protocol):
    """Who is told how a run goes."""

    def plan(self, run: Run, steps: Sequence[Step]) -> None:
        """Show what will happen."""

    def progress(self, position: int, total: int, name: str) -> Progress:
        """Give the progress of one stage."""

    def outcome(self, outcome: Outcome) -> None:
        """Show how a stage ended."""


class Engine:
    """Plans and runs the stages of one run. The run's lock is held by the caller."""

    def __init__(
        self, run: Run, stages: Sequence[Stage], selection: Selection, audience: Audience
    ) -> None:
        """Prepare to run ``selection`` of ``stages`` (all of them, in order)."""
        self.run, self.audience = run, audience
        self.stages = {stage.name: stage for stage in stages}
        self.planner = Planner(run, stages, selection)
        self.steps: list[Step] = []
        self.outcomes: list[Outcome] = []

    def plan(self, progress: Progress) -> list[Step]:
        """Check and plan every stage.

        Raises:
            ChecksError: with all that is wrong.
        """
        self.steps = self.planner.steps(progress)
        if self.planner.problems:
            raise ChecksError(self.planner.problems)
        self.audience.plan(self.run, self.steps)
        return self.steps

    def execute(self) -> list[Outcome]:
        """Run what the plan says; stop at the first stage that fails."""
        for position, step in enumerate(self.steps, 1):
            started = time.monotonic()
            progress = self.audience.progress(position, len(self.steps), step.name)
            try:
                outcome = self._execute(step, progress)
            except BaseException as error:
                seconds = time.monotonic() - started
                self._tell(Outcome(step.name, "failed", seconds))
                if isinstance(error, OSError):
                    refused = OutputError.from_os(error, str(error.filename or self.run.root))
                    if refused is not None:
                        raise refused from error
                raise
            self._tell(outcome)
        return self.outcomes

    def _tell(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        logger.info("%s: %s (%.2f s)", outcome.name, outcome.verdict, outcome.seconds)
        self.audience.outcome(outcome)

    def _execute(self, step: Step, progress: Progress) -> Outcome:
        if not step.plan.needed:
            return Outcome(step.name, "not needed")
        if not step.runs:
            return Outcome(step.name, "up to date", record=step.standing)
        started = time.monotonic()
        stage = self.stages[step.name]
        ctx = self.planner.context(stage, progress)
        ingredients = ingredients_of(stage, ctx, self.planner.finished)
        key = digest(ingredients)
        forced = step.name in self.planner.selection.forced or stage.always
        standing = step.standing
        if standing is not None and standing.key == key and not forced:
            verdict, origin = "up to date", ""
        else:
            logger.info("%s: %s", step.name, step.reason)
            sibling = None if forced else self._sibling(step.name, key)
            if sibling is not None:
                verdict, (origin, standing) = "reused", sibling
            else:
                verdict, origin = "done", ""
                standing = self._work(stage, ctx, key, ingredients)
        self.planner.finished[step.name] = standing
        return Outcome(step.name, verdict, time.monotonic() - started, standing, origin)

    def _work(
        self, stage: Stage, ctx: Context, key: str, ingredients: dict[str, object]
    ) -> StageRecord:
        """Run a stage in its temporary folder, and put that in place when it is complete."""
        files.remove(ctx.folder)
        ctx.folder.mkdir(parents=True)
        try:
            record = stage.run(ctx)
            stamps = stamp_folder(ctx.folder, record.digests)
        except PipelineError:
            self._keep_failed(stage.name)
            raise
        except BaseException:
            files.remove(ctx.folder)
            raise
        complete = StageRecord(stage.name, key, ingredients, record, stamps)
        self._place(complete)
        return complete

    def _place(self, complete: StageRecord) -> None:
        """Rename the temporary folder; ``stage.json`` is the last thing to appear."""
        name, run = complete.stage, self.run
        working, output, record = run.working(name), run.output(name), run.record(name)
        if record.parent == output:
            files.write_text(working / record.name, complete.to_json())
            files.replace_folder(working, output)
        else:
            files.remove(record)  # it vouches for the output that is about to go
            files.replace_folder(working, output)
            beside = record.parent.with_name(f"{name}.tmp")
            files.remove(beside)
            beside.mkdir()
            files.write_text(beside / record.name, complete.to_json())
            files.replace_folder(beside, record.parent)
        files.remove(run.failed(name))

    def _keep_failed(self, name: str) -> None:
        """Leave what a failed stage wrote where people find it, and nothing takes it for whole."""
        working = self.run.working(name)
        files.remove(self.run.failed(name))
        if any(working.iterdir()):
            files.replace_folder(working, self.run.failed(name))
        else:
            files.remove(working)

    def _sibling(self, name: str, key: str) -> tuple[str, StageRecord] | None:
        """Take the output of another variant of this release where the same stage stands complete.

        Returns:
            The variant's name, and the record of what is here now.
        """
        for folder in sorted(self.run.root.parent.iterdir()):
            other = Run(folder, self.run.outputs)
            record = read_record(other.record(name)) if folder != self.run.root else None
            if record is not None and record.key == key:
                taken = self._take(record, other.output(name))
                if taken is not None:
                    return folder.name, taken
        return None

    def _take(self, record: StageRecord, output: Path) -> StageRecord | None:
        """Hard-link what a record speaks of; ``None`` when that is not there, or not for us."""
        name, working = record.stage, self.run.working(record.stage)
        files.remove(working)
        try:
            for path in record.files:
                (working / path).parent.mkdir(parents=True, exist_ok=True)
                files.link(output / path, working / path)
        except (FileNotFoundError, PermissionError):
            return None
        # Looked at only now: nobody keeps the sibling from being made anew meanwhile.
        if not record.intact(working):
            return None
        stamps = {
            path: FileStamp.of(working / path, record.record.digests.get(path))
            for path in record.files
        }
        linked = StageRecord(name, record.key, record.ingredients, record.record, stamps)
        self._place(linked)
        return linked

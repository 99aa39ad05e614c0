"""Before any work: what every stage would do, and everything that is wrong, at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ConfigError, PipelineError
from pipeline.layout import Run
from pipeline.manifest import digest
from pipeline.record import StageRecord, read_record
from pipeline.selection import Selection
from pipeline.stage import Context, Plan, Problem, Progress, Stage


@dataclass(frozen=True)
class Step:
    """One stage of the plan.

    Attributes:
        name: the stage's name.
        plan: what it would do.
        reason: why it runs; empty when it is up to date or not needed.
        standing: its record, when there is one whose files are intact.
    """

    name: str
    plan: Plan
    reason: str
    standing: StageRecord | None = None

    @property
    def runs(self) -> bool:
        """Tell whether there is something to do."""
        return bool(self.reason)


def ingredients_of(
    stage: Stage, ctx: Context, finished: Mapping[str, StageRecord]
) -> dict[str, Any]:
    """List what shapes a stage's output: its name, version, own key, and its inputs' digests."""
    return {
        "name": stage.name,
        "version": stage.version,
        "own": dict(stage.key(ctx)),
        "inputs": {name: finished[name].digest for name in stage.inputs if name in finished},
    }


def standing_record(run: Run, name: str) -> StageRecord | None:
    """Give the record of an earlier run, when all that it left is still as it was."""
    record = read_record(run.record(name))
    return record if record is not None and record.intact(run.output(name)) else None


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Name the ingredients that differ, for people."""
    names = []
    for part in ("own", "inputs"):
        before, after = old.get(part, {}), new.get(part, {})
        names += [n for n in sorted({*before, *after}) if before.get(n) != after.get(n)]
    return ", ".join(names) + " changed" if names else "the stage itself changed"


class Planner:
    """Walks the stages in order, once, without doing their work."""

    def __init__(self, run: Run, stages: Sequence[Stage], selection: Selection) -> None:
        """Plan ``selection`` of ``stages`` for one run."""
        self.run, self.stages, self.selection = run, stages, selection
        self.problems: list[Problem] = []
        self.finished: dict[str, StageRecord] = {}
        self.plans: dict[str, Plan] = {}
        self.changing: set[str] = set()

    def steps(self, progress: Progress) -> list[Step]:
        """Give the plan, a step per chosen stage; what is wrong is in `problems` afterwards."""
        steps = []
        for stage in self.stages:
            ctx = self.context(stage, progress)
            if stage.name not in self.selection.chosen:
                self._earlier(stage, ctx)
                continue
            try:
                found = stage.check(ctx)
                if not found:
                    steps.append(self._step(stage, ctx))
            except PipelineError as error:
                found = [Problem.of(error)]
            self.problems += [problem for problem in found if not self._known(problem)]
        return steps

    def _known(self, problem: Problem) -> bool:
        """Tell whether an earlier problem has the same cure at the same place: a full disk, say."""
        cure = (problem.where, problem.hint)
        return all(cure) and any((known.where, known.hint) == cure for known in self.problems)

    def context(self, stage: Stage, progress: Progress) -> Context:
        """Give what a stage may see."""
        records = {name: record.record for name, record in self.finished.items()}
        folder = self.run.working(stage.name)
        return Context(self.run, folder, records, dict(self.plans), progress)

    def _earlier(self, stage: Stage, ctx: Context) -> None:
        """Take over what a stage outside of the selection left in an earlier run."""
        record = standing_record(self.run, stage.name)
        if record is not None:
            self.finished[stage.name] = record
            return
        with suppress(PipelineError):
            plan = stage.plan(ctx)
            if not plan.needed:
                self.plans[stage.name] = plan

    def _step(self, stage: Stage, ctx: Context) -> Step:
        plan = stage.plan(ctx)
        if not plan.needed:
            self.plans[stage.name] = plan
            return Step(stage.name, plan, "")
        self._demand_inputs(stage)
        standing = standing_record(self.run, stage.name)
        reason = self._reason(stage, ctx, standing)
        if reason or standing is None:
            self.plans[stage.name] = plan
            self.changing.add(stage.name)
        else:
            self.finished[stage.name] = standing
        return Step(stage.name, plan, reason, standing)

    def _reason(self, stage: Stage, ctx: Context, standing: StageRecord | None) -> str:
        if stage.always:
            return "looks at the target every time"
        if stage.name in self.selection.forced:
            return "forced"
        if standing is None:
            spoilt = self.run.record(stage.name).exists()
            return "its files have changed" if spoilt else "not done yet"
        if moving := [name for name in stage.inputs if name in self.changing]:
            return f"{', '.join(moving)} may change"
        ingredients = ingredients_of(stage, ctx, self.finished)
        if digest(ingredients) != standing.key:
            return changes(standing.ingredients, ingredients)
        return ""

    def _demand_inputs(self, stage: Stage) -> None:
        """Refuse to start in the middle when the beginning is not there."""
        for name in stage.inputs:
            known = name in self.finished or name in self.plans
            if not known and name not in self.selection.chosen:
                raise ConfigError(
                    f"{stage.name} needs what {name} leaves, and that is not there.",
                    str(self.run.stage(name)),
                    f"Run it first: until_stage={name}",
                )

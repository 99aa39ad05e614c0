"""Small stages that write real files, to try the engine with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.engine import Engine, Outcome
from pipeline.layout import Outputs, Run
from pipeline.planning import Step
from pipeline.selection import select
from pipeline.stage import SILENT, Context, Facts, Plan, Problem, Progress, Record


@dataclass
class Toy:
    """Writes ``text`` and what its inputs wrote into one file."""

    name: str
    inputs: Sequence[str] = ()
    text: str = "text"
    version: int = 1
    always: bool = False
    needed: bool = True
    problems: Sequence[Problem] = ()
    work: Callable[[Context], None] | None = None
    ran: list[str] = field(default_factory=list)

    def check(self, ctx: Context) -> list[Problem]:
        return list(self.problems)

    def plan(self, ctx: Context) -> Plan:
        return Plan(f"writes {self.text}", len(self.text), self.needed, {"text": self.text})

    def key(self, ctx: Context) -> Facts:
        return {"text": self.text}

    def run(self, ctx: Context) -> Record:
        self.ran.append(self.name)
        if self.work is not None:
            self.work(ctx)
        texts = [(ctx.run.output(name) / f"{name}.txt").read_text() for name in self.inputs]
        (ctx.folder / f"{self.name}.txt").write_text("".join([*texts, self.text[:1]]))
        return Record({"first": self.text[:1]}, {"place": str(ctx.folder)})


@dataclass
class Listener:
    """An audience that remembers."""

    plans: list[list[Step]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def plan(self, run: Run, steps: Sequence[Step]) -> None:
        self.plans.append(list(steps))

    def progress(self, position: int, total: int, name: str) -> Progress:
        return SILENT

    def outcome(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


def run_in(root: Path, variant: str = "variant") -> Run:
    return Run(root / "toys" / variant, Outputs(root))


def engine_of(run: Run, stages: Sequence[Toy], **ranges: str | None) -> Engine:
    names = [stage.name for stage in stages]
    selection = select(
        names, names, ranges.get("from_stage"), ranges.get("until_stage"), ranges.get("force")
    )
    return Engine(run, stages, selection, Listener())


def execute(run: Run, stages: Sequence[Toy], **ranges: str | None) -> dict[str, str]:
    """Plan and run; give the verdict of each stage."""
    run.root.mkdir(parents=True, exist_ok=True)
    engine = engine_of(run, stages, **ranges)
    engine.plan(SILENT)
    return {outcome.name: outcome.verdict for outcome in engine.execute()}

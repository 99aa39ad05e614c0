"""The one object that prints: the plan, the progress, the result, and errors."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.amounts import amount, many
from pipeline.engine import Outcome
from pipeline.layout import Run
from pipeline.planning import Step
from pipeline.progress import StageProgress
from pipeline.sheet import Sheet
from pipeline.stage import Progress
from pipeline.sweep import Job
from pipeline.typesetting import typeset

_MARKS = {
    "done": "[green]✓[/]",
    "up to date": "[dim]=[/]",
    "reused": "[green]↺[/]",
    "not needed": "[dim]-[/]",
    "failed": "[red]✗[/]",
}
_VERDICTS = {"pass": "green", "warn": "yellow", "fail": "red", "skipped": "dim"}
_PLAIN_WIDTH = 120


def shown(path: Path) -> str:
    """Write a path as short as it can be typed from here."""
    text = os.path.relpath(path)
    return str(path) if text.startswith("../..") else text


def _columns() -> int | None:
    """Give the width that a person asks for by ``COLUMNS``."""
    asked = os.environ.get("COLUMNS", "")
    return int(asked) or None if asked.isdecimal() else None


def _console(stderr: bool) -> Console:
    """Make a console as wide as the terminal, as ``COLUMNS`` says, or as fits a page."""
    stream = sys.stderr if stderr else sys.stdout
    width = _columns() or (None if stream.isatty() else _PLAIN_WIDTH)
    return Console(stderr=stderr, highlight=False, emoji=False, width=width)


def _variant(run: Run) -> str:
    return f"{run.root.parent.name}/{run.root.name}"


def _differing(requests: Sequence[Sequence[str]]) -> list[str]:
    """Write of each request what not all of them have."""
    common = set(requests[0]).intersection(*requests[1:])
    return [" ".join(text for text in request if text not in common) for request in requests]


def _published(outcomes: Sequence[Outcome]) -> bool:
    """Tell whether this run left the release somewhere under its Hub id."""
    pushed = [o.record.record.facts for o in outcomes if o.name == "push" and o.record is not None]
    return any(facts.get("commits") for facts in pushed)


def _by_path(line: str, repo_id: str, run: Run) -> str:
    """Name the folder in a line that loads a release by an id under which nothing is."""
    before, named, _ = line.partition(f'"{repo_id}")')
    return f"{before}{json.dumps(shown(run.release.root), ensure_ascii=False)})" if named else line


class Terminal:
    """Tells a person how a run goes; an engine's audience."""

    def __init__(self, brief: bool = False) -> None:
        """Write to the standard streams; of one of many runs only what needs a look."""
        self.brief = brief
        self._out, self._err = _console(stderr=False), _console(stderr=True)

    def say(self, text: str) -> None:
        """Print one line, as it is."""
        self._out.print(text, markup=False, soft_wrap=True)

    def raw(self, text: str) -> None:
        """Write a text that a program will read: no style, no width."""
        self._out.out(text, highlight=False)

    def sheet(self, sheet: Sheet) -> None:
        """Show a page; lines are broken for a terminal, or where a width is asked for."""
        width = self._out.width if self._out.is_terminal or _columns() else None
        for line in typeset(sheet, width):
            self._out.print(line, soft_wrap=True)

    def aside(self) -> Progress:
        """Give the progress of work beside the output, on the error stream."""
        return StageProgress(self._err)

    def plan(self, run: Run, steps: Sequence[Step]) -> None:
        """Show what will happen and where it lands; one line when there is nothing to do."""
        self._out.print(f"[bold]{escape(shown(run.root))}[/]", soft_wrap=True)
        if self.brief or not any(step.runs for step in steps):
            return
        table = Table("stage", "what", "size", "why", box=None, pad_edge=False, header_style="dim")
        table.columns[1].ratio = 3
        for step in steps:
            size = amount(step.plan.size, "bytes") if step.runs and step.plan.size else ""
            why = step.reason or ("up to date" if step.plan.needed else "not needed")
            style = None if step.runs else "dim"
            table.add_row(step.name, escape(step.plan.summary), size, escape(why), style=style)
        self._out.print(table)
        for step in steps:
            for note in step.plan.notes:
                self._out.print(f"  [yellow]note[/] {step.name}: {escape(note)}", soft_wrap=True)

    def progress(self, position: int, total: int, name: str) -> Progress:
        """Give the progress of one stage."""
        self._position = f"\\[{position}/{total}]"
        return StageProgress(self._out)

    def outcome(self, outcome: Outcome) -> None:
        """Show how a stage ended."""
        if self.brief and outcome.verdict not in ("done", "reused", "failed"):
            return
        text = f"{self._position} {_MARKS[outcome.verdict]} {outcome.name}"
        details = [] if outcome.verdict == "done" else [outcome.verdict]
        if outcome.origin:
            details[-1] += f" from {outcome.origin}"
        if outcome.verdict in ("done", "reused") and outcome.record is not None:
            details.append(amount(outcome.record.size, "bytes"))
        if outcome.seconds >= 0.1:
            details.append(f"{outcome.seconds:.1f} s")
        self._out.print(f"{text} [dim]{escape(', '.join(details))}[/]", soft_wrap=True)

    def result(self, run: Run, outcomes: Sequence[Outcome]) -> None:
        """Show the checks, the warnings, and where the release is."""
        for outcome in outcomes:
            if outcome.record is not None:
                checks = outcome.record.record.local.get("checks", ())
                self.checks(checks, outcome.verdict)
                for warning in () if checks else outcome.record.record.warnings:
                    line = f"[yellow]warning[/] {outcome.name}: {escape(warning)}"
                    self._out.print(line, soft_wrap=True)
        packaged = [o for o in outcomes if o.name == "package" and o.record is not None]
        if packaged and run.release.manifest.is_file():
            size = sum(path.stat().st_size for path in run.release.root.iterdir())
            where = escape(shown(run.release.root))
            self._out.print(
                f"[bold green]released[/] {where} ({amount(size, 'bytes')})", soft_wrap=True
            )
            facts = packaged[-1].record.record.facts if packaged[-1].record else {}
            for line in () if self.brief else facts.get("usage", ()):
                told = line if _published(outcomes) else _by_path(line, facts["repo_id"], run)
                self.say(f"  {told}")

    def jobs(self, jobs: Sequence[Job], metric: str, notes: Sequence[str]) -> None:
        """Show what a sweep will run, and what of its requests differs."""
        self._out.print(f"[bold]{many(len(jobs), 'job')}[/]")
        differing = _differing([job.overrides for job in jobs])
        columns = ["", "what", *([metric] if metric else []), "variant"]
        table = Table(*columns, box=None, pad_edge=False, header_style="dim")
        for job, what in zip(jobs, differing, strict=True):
            rank = [] if not metric else ["" if job.rank is None else f"{job.rank:.4g}"]
            table.add_row(str(job.number), escape(what), *rank, escape(_variant(job.run)))
        self._out.print(table)
        for note in notes:
            self._out.print(f"  [yellow]note[/] {escape(note)}", soft_wrap=True)

    def job(self, job: Job) -> None:
        """Show that a job has ended that ran elsewhere."""
        mark = _MARKS["done" if job.verdict == "done" else "failed"]
        line = f"{mark} {job.number} {escape(_variant(job.run))} [dim]{job.seconds:.1f} s[/]"
        self._out.print(line, soft_wrap=True)

    def ended(self, jobs: Sequence[Job]) -> None:
        """Show how the jobs of a sweep ended, and why some failed."""
        table = Table("", "", "variant", "time", box=None, pad_edge=False, header_style="dim")
        for job in jobs:
            mark = _MARKS["done" if job.verdict == "done" else "failed"]
            verdict = "" if job.verdict == "done" else f" {job.verdict}"
            seconds = f"{job.seconds:.1f} s" if job.seconds else ""
            table.add_row(str(job.number), f"{mark}{verdict}", escape(_variant(job.run)), seconds)
        self._out.print(table)
        for job in jobs:
            if job.reason:  # below the table, whose columns would break what is to be copied
                said = escape(job.reason.replace("\n", "\n   "))
                self._out.print(f"[red]{job.number}[/]  {said}", soft_wrap=True)

    def best(self, job: Job, metric: str, value: float) -> None:
        """Show which variant of a sweep is the best."""
        where = escape(_variant(job.run))
        line = f"[bold green]the best[/] {where} [dim]{escape(metric)} {value:.4g}[/]"
        self._out.print(line, soft_wrap=True)

    def board(self, page: Path) -> None:
        """Show where all variants stand side by side."""
        self._out.print(f"[bold]board[/] {escape(shown(page))}", soft_wrap=True)

    def checks(self, checks: Sequence[Mapping[str, Any]], verdict: str = "done") -> None:
        """Show a table of checks; only those that need a look if brief, or nothing was done."""
        all_of_them = verdict == "done" and not self.brief
        rows = [c for c in checks if all_of_them or c["verdict"] in ("warn", "fail")]
        if not rows:
            return
        table = Table("check", "", "finding", box=None, pad_edge=False, header_style="dim")
        for check in rows:
            style = _VERDICTS.get(check["verdict"], "")
            remedy = f"\n→ {check['remedy']}" if check["verdict"] in ("warn", "fail") else ""
            table.add_row(
                check["name"],
                f"[{style}]{check['verdict']}[/]",
                escape(str(check["message"]) + (remedy if check.get("remedy") else "")),
            )
        self._out.print(table)

    def error(self, text: str) -> None:
        """Show what went wrong, on the error stream."""
        first, *rest = text.splitlines() or [""]
        self._err.print(f"[bold red]error[/] {escape(first)}", soft_wrap=True)
        for line in rest:
            self._err.print(escape(line), soft_wrap=True)

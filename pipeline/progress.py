"""Progress of long work: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column

from pipeline.amounts import amount
from pipeline.stage import Task

PATIENCE = 1.0
"""Seconds of silence before a plain line is worth printing."""
PACE = 10.0
"""Seconds between plain lines about the same task."""


class _Bar:
    """A bar on a terminal."""

    def __init__(self, progress: Progress, task: TaskID, total: int | None, unit: str) -> None:
        self._progress, self._task, self._total, self._unit = progress, task, total, unit
        self._done, self._text = 0, ""

    def advance(self, step: int) -> None:
        self._done += step
        self._show()

    def say(self, text: str) -> None:
        self._text = text
        self._show()

    def _show(self) -> None:
        of = f" of {amount(self._total, self._unit)}" if self._total else ""
        shown = f"{amount(self._done, self._unit)}{of} {self._text}"
        self._progress.update(self._task, completed=self._done, shown=shown)


class _Lines:
    """The same as plain lines, for logs and pipes."""

    def __init__(self, console: Console, label: str, total: int | None, unit: str) -> None:
        self._console, self._label, self._total, self._unit = console, label, total, unit
        self._done, self._text = 0, ""
        self._began = time.monotonic()
        self._last = self._began + PATIENCE - PACE

    def advance(self, step: int) -> None:
        self._done += step
        if self._unit == "bytes":
            self._show()

    def say(self, text: str) -> None:
        self._text = text
        self._show(due=self._unit != "bytes")

    def _show(self, due: bool = False) -> None:
        now = time.monotonic()
        if not due and now - self._last < PACE:
            return
        self._last = now
        share = f" ({100 * self._done // self._total} %)" if self._total else ""
        if self._unit == "bytes":  # shown after some patience, so there is a time to divide by
            share += f", {amount(self._done / (now - self._began))}/s"
        line = f"      {self._label}: {amount(self._done, self._unit)}{share} {self._text}"
        self._console.print(line.rstrip(), markup=False, highlight=False, soft_wrap=True)


class StageProgress:
    """What a stage gets to show progress with."""

    def __init__(self, console: Console) -> None:
        """Show on ``console``."""
        self._console = console

    @contextmanager
    def task(self, label: str, total: int | None = None, unit: str = "bytes") -> Iterator[Task]:
        """Show a bar, or lines, while the block runs."""
        if not self._console.is_terminal:
            yield _Lines(self._console, label, total, unit)
            return
        columns: list[ProgressColumn] = [
            TextColumn("      {task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[shown]}", markup=False),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
        ]
        if unit == "bytes":
            columns.insert(-1, TransferSpeedColumn(table_column=Column(no_wrap=True)))
        with Progress(*columns, console=self._console, transient=True) as progress:
            yield _Bar(progress, progress.add_task(label, total=total, shown=""), total, unit)

    def note(self, text: str) -> None:
        """Show one line that stays."""
        self._console.print(f"      {text}", markup=False, highlight=False, soft_wrap=True)

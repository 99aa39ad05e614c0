"""A table of what was trained, loaded and compared."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Table:
    """Rows in the order of the tests: what, what was done with it, the outcome, seconds."""

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def add(self, what: str, done: str, outcome: str, seconds: float | None = None) -> None:
        """Add a row."""
        self.rows.append((what, done, outcome, "" if seconds is None else f"{seconds:.0f} s"))

    @contextmanager
    def timed(self, what: str, done: str, outcome: str) -> Iterator[None]:
        """Add a row with the time that the block takes, unless it fails."""
        begun = time.monotonic()
        yield
        self.add(what, done, outcome, time.monotonic() - begun)

    def lines(self) -> Iterator[str]:
        """Give the table as text."""
        if not self.rows:
            return
        head = ("what", "done", "outcome", "time")
        widths = [max(map(len, column)) for column in zip(head, *self.rows, strict=True)]
        yield ""
        for row in (head, tuple("-" * width for width in widths), *self.rows):
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))

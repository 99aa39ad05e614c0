"""A board as text: a table in Markdown for a chat or a README, and a sheet for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pipeline.columns import Column
from pipeline.sheet import Fields, Grid, Part, Remark, Sheet, Title
from pipeline.variants import Variant

if TYPE_CHECKING:
    from pipeline.boards import Board

BEST = "★"
_SPECIAL = re.compile(r"([\\`*\[\]|<>&])")


def markdown(board: Board) -> str:
    """Give the board as a table of GitHub's Markdown."""
    lines = [f"# {_plain(board.name)}", "", f"{_plain(board.tally)}."]
    if board.best:
        lines.append(f"The best, {BEST}, is {_plain(board.best.name)}: {_plain(board.choice)}.")
    if board.shared:
        alike = ", ".join(f"{title} {text}" for title, text in board.shared)
        lines.append(f"All have {_plain(alike)}.")
    header = ["variant", *(column.title for column in board.columns)]
    rules = ["---", *("---:" if column.number else "---" for column in board.columns)]
    lines += ["", _row(map(_plain, header)), _row(rules)]
    for row, variant in enumerate(board.variants):
        name = f"{BEST} {variant.name}" if variant is board.best else variant.name
        lines.append(_row(map(_plain, [name, *_cells(board.columns, row)])))
    notes = [f"- {_plain(f'{variant.name} {note}')}" for variant, note in _notes(board)]
    return "\n".join([*lines, *([""] if notes else []), *notes, ""])


def sheet(board: Board, place: str) -> Sheet:
    """Set the board out for a terminal: what all variants share is said once, above the table."""
    shown = [column for column in board.columns if not column.title.endswith("digest")]
    header = ("", "variant", *(column.title for column in shown))
    rows = tuple(
        (BEST if variant is board.best else "", variant.name, *_cells(shown, row))
        for row, variant in enumerate(board.variants)
    )
    best = f"{board.best.name}: {board.choice}" if board.best else ""
    parts: list[Part] = [
        Title(f"{board.name}, {board.tally}", place),
        Fields((*board.shared, ("best", best))),
        Grid(header, rows),
    ]
    return (
        *parts,
        *(Remark("problem", f"{variant.name} {note}") for variant, note in _notes(board)),
    )


def _cells(columns: Sequence[Column], row: int) -> Iterator[str]:
    return (column.cells[row].text or "-" for column in columns)


def _notes(board: Board) -> Iterator[tuple[Variant, str]]:
    """Tell why a run failed, and what is spoilt."""
    for variant in board.variants:
        if variant.reason:
            yield variant, f"failed: {variant.reason}"
        for fault in variant.faults:
            yield variant, f"is broken: {fault}"


def _row(cells: Iterator[str] | Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Keep a text one line of plain words, whatever Markdown would make of it."""
    return " ".join(_SPECIAL.sub(r"\\\1", text).split())

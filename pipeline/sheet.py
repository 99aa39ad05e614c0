"""A page for people, before it is set: fields, grids, remarks and commands, in order.

Whoever knows a thing makes its sheet; `pipeline.console` alone knows terminals, colours and widths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["problem", "hint"]


@dataclass(frozen=True)
class Title:
    """What the page is about, and the place of it below."""

    text: str
    place: str = ""


@dataclass(frozen=True)
class Fields:
    """Names with a line of text each; those without text are left out."""

    rows: tuple[tuple[str, str], ...]
    title: str = ""


@dataclass(frozen=True)
class Grid:
    """A table; columns of numbers stand to the right.

    Attributes:
        header: the names of the columns.
        rows: as many cells each as there are columns.
        title: what the table is about.
        note: a line below it.
        less_wanted: columns that a terminal too narrow for all goes without, the last first.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    note: str = ""
    less_wanted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Remark:
    """Something to look at: what is wrong, where, and what to type or change.

    Attributes:
        severity: a ``problem`` keeps a release from being made; a ``hint`` does not.
    """

    severity: Severity
    what: str
    where: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Lines:
    """Lines to copy as they are: never broken."""

    lines: tuple[str, ...]
    title: str = ""


Part = Title | Fields | Grid | Remark | Lines
Sheet = tuple[Part, ...]

"""From a sheet to lines of styled text.

What fits is aligned; text is broken between words, so that what was a path or a name stays one. Off
a terminal nothing is broken at all, and no column is ever cut: a line may be searched or copied.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from pipeline.sheet import Fields, Grid, Lines, Part, Remark, Sheet, Title

_NUMBER = re.compile(r"|-|[-+]?[\d.,]+(/\d+)?(e[-+]?\d+)?( ?[kMGB]B?)?|NaN|-?Infinity")
_GAP = 2
_STYLES = {"problem": "bold red", "hint": "yellow"}


def typeset(sheet: Sheet, width: int | None) -> Iterator[Text]:
    """Give the lines of a page.

    Args:
        sheet: its parts; an empty line stands between any two that are not remarks of one kind.
        width: columns of the terminal; ``None`` where lines may be as long as they like.
    """
    before: Part | None = None
    for part in sheet:
        lines = list(_set(part, width))
        if lines and before is not None and not _close(before, part):
            yield Text()
        yield from lines
        before = part if lines else before


def printable(text: str) -> str:
    """Show what a terminal might obey, as an escape: a file's names are anybody's choice."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _close(before: Part, part: Part) -> bool:
    return isinstance(before, Remark) and isinstance(part, Remark)


def _set(part: Part, width: int | None) -> Iterator[Text]:
    if isinstance(part, Title):
        yield from _headed(part.text)
        if part.place:
            yield Text(printable(part.place), "dim")
    elif isinstance(part, Fields):
        yield from _headed(part.title)
        yield from _fields(part, width)
    elif isinstance(part, Grid):
        yield from _headed(part.title)
        yield from _grid(part, width)
    elif isinstance(part, Lines):
        yield from _headed(part.title)
        yield from (Text(f"  {printable(line)}") for line in part.lines)
    else:
        yield from _remark(part, width)


def _headed(title: str) -> Iterator[Text]:
    if title:
        yield Text(printable(title), "bold")


def _fields(part: Fields, width: int | None) -> Iterator[Text]:
    rows = [(printable(name), text) for name, text in part.rows if text]
    column = max((cell_len(name) for name, _ in rows), default=0) + _GAP
    for name, text in rows:
        label = Text(_filled(name, column), "dim")
        for line in _broken(text, width, column):
            yield Text.assemble(label, line)
            label = Text(" " * column)


def _grid(part: Grid, width: int | None) -> Iterator[Text]:
    header, *rows = [tuple(map(printable, row)) for row in (part.header, *part.rows)]
    columns = list(zip(header, *rows, strict=True))
    widths = [max(map(cell_len, cells)) for cells in columns]
    room = None if width is None else width - sum(widths) - _GAP * (len(widths) - 1)
    hidden = _hidden(part, widths, room)
    kept = [at for at, name in enumerate(part.header) if name not in hidden]
    right = [bool(rows) and all(map(_NUMBER.fullmatch, cells[1:])) for cells in columns]
    for row, style in ((header, "dim"), *((row, "") for row in rows)):
        cells = [_filled(row[at], widths[at], right[at]) for at in kept]
        yield Text((" " * _GAP).join(cells).rstrip(), style)
    notes = [f"No room here for: {', '.join(hidden)}."] if hidden else []
    for note in filter(None, (*notes, part.note)):
        yield Text(printable(note), "dim")


def _hidden(part: Grid, widths: Sequence[int], room: int | None) -> list[str]:
    """Choose the columns to go without: the least wanted that make room enough, and no others.

    Args:
        part: the grid.
        widths: of its columns.
        room: columns of the terminal that would be left; less than none when it is too narrow.
    """
    takes = {name: size + _GAP for name, size in zip(part.header, widths, strict=True)}
    if room is None or room >= 0:
        return []
    hidden = [name for name in part.less_wanted if name in takes]
    room += sum(takes[name] for name in hidden)
    for name in tuple(hidden):
        if takes[name] <= room:
            room -= takes[name]
            hidden.remove(name)
    return hidden


def _remark(part: Remark, width: int | None) -> Iterator[Text]:
    column = max(map(len, _STYLES)) + _GAP
    label = Text(_filled(part.severity, column), _STYLES[part.severity])
    for text in (part.what, part.where, f"→ {part.remedy}" if part.remedy else ""):
        for line in _broken(text, width, column) if text else ():
            yield Text.assemble(label, line)
            label = Text(" " * column)


def _filled(text: str, width: int, right: bool = False) -> str:
    """Fill a text with spaces up to as many columns of a terminal."""
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def _broken(text: str, width: int | None, indent: int) -> list[str]:
    """Break a line between words; one word too long stays whole."""
    text = printable(text)
    if width is None:
        return [text]
    room = max(width - indent, 20)
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)

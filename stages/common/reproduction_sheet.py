"""A reproduction as a page for people, and as one JSON document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.amounts import many
from pipeline.sheet import Fields, Grid, Lines, Part, Remark, Sheet, Title
from stages.common.comparison import ONLY_AFTER, ONLY_BEFORE
from stages.common.comparison_sheet import MOST, file_document, file_parts, sizes
from stages.common.document import remarked
from stages.common.reproduction import Reproduction

FORMAT = 1
"""Raised when a reader of the format before would misread it."""

_NAMES = ("released", "again")
_VERDICTS = {ONLY_BEFORE: "not made again", ONLY_AFTER: "not in the release"}


def sheet(found: Reproduction, all_rows: bool = False) -> Sheet:
    """Set out a reproduction: the verdict, the files, what differs in them, and why."""
    return tuple(_parts(found, None if all_rows else MOST))


def document(what: str, found: Reproduction) -> dict[str, Any]:
    """Give the same as JSON values, with all rows."""
    causes = [vars(cause) for cause in found.causes]
    return {
        "format": FORMAT,
        "what": what,
        "place": found.place,
        "release": found.name,
        "source": found.source,
        "identical": found.identical,
        "refusal": list(found.refusal) or None,
        "made": None if found.made is None else str(found.made),
        "files": [file_document(file) for file in found.files],
        **remarked({"remarks": causes}),
    }


def _parts(found: Reproduction, most: int | None) -> Iterator[Part]:
    yield Title(f"The release {found.name}, made again", found.place)
    yield Fields(
        (
            ("of", found.source),
            ("verdict", _verdict(found)),
            ("kept in", "" if found.made is None else str(found.made)),
        )
    )
    if found.refusal:
        yield from _refusal(*found.refusal)
        return
    rows = (
        (file.name, *sizes(file), _VERDICTS.get(file.verdict, file.verdict)) for file in found.files
    )
    yield Grid(("file", *_NAMES, ""), tuple(rows), "What SHA256SUMS lists")
    for file in found.different:
        yield from file_parts(file, most, _NAMES)
    yield from found.causes


def _refusal(what: str, *rest: str) -> Iterator[Part]:
    """Set out an error of three lines as one, and a list of several as it is."""
    if len(rest) > 2:
        yield Remark("problem", what)
        yield Lines(rest)
    else:
        yield Remark("problem", what, *rest)


def _verdict(found: Reproduction) -> str:
    if found.refusal:
        return "not made again: the pipeline refused"
    if found.identical:
        return f"identical, {many(len(found.files), 'file')}"
    return f"{many(len(found.different), 'file')} of {len(found.files)} different"

"""A verification as a page for people, and as one JSON document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from pipeline.amounts import amount, many
from pipeline.sheet import Fields, Grid, Part, Sheet, Title
from stages.common.document import remarked
from stages.common.verification import VerifiedCopy

FORMAT = 1
"""Raised when a reader of the format before would misread it."""


def sheet(copies: Sequence[VerifiedCopy]) -> Sheet:
    """Set out every copy: the verdict, its files, and at the end what is wrong."""
    return tuple(part for copy in copies for part in _parts(copy))


def document(what: str, copies: Sequence[VerifiedCopy]) -> dict[str, Any]:
    """Give the same as JSON values; a problem is a difference, a hint is not."""
    return {
        "format": FORMAT,
        "what": what,
        "identical": all(copy.identical for copy in copies),
        "copies": [{**remarked(asdict(copy)), "identical": copy.identical} for copy in copies],
    }


def _parts(copy: VerifiedCopy) -> Iterator[Part]:
    name = " ".join(filter(None, (copy.name, copy.version)))
    yield Title(f"The release {name}" if name else "A release", copy.place)
    problems = sum(remark.severity == "problem" for remark in copy.remarks)
    yield Fields((("verdict", many(problems, "problem") if problems else "identical"),))
    rows = tuple(
        (
            file.name,
            "-" if file.size is None else amount(file.size),
            file.verdict,
            file.compared,
            file.opened,
        )
        for file in copy.files
    )
    if rows:
        yield Grid(("file", "size", "", "compared by", "opened"), rows, "Files")
    yield from sorted(copy.remarks, key=lambda remark: remark.severity != "problem")

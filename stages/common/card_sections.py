"""The parts of a model card that a push may replace, marked so that the rest is anybody's to edit.

A part stands between two HTML comments, which no reader sees::

    <!-- generated: metrics (the next push replaces this part) -->

    ## Metrics
    ...

    <!-- end of generated: metrics -->
"""

from __future__ import annotations

import re

_HEADING = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)
_PART = re.compile(
    rb"<!-- generated: (?P<name>[a-z0-9-]+) [^\n]*-->.*?<!-- end of generated: (?P=name) -->",
    re.DOTALL,
)
FIRST = "about"
"""The name of what stands before the first heading."""


def marked(text: str) -> str:
    """Mark every part of a card's text: what comes first, and each heading of the second level."""
    starts = [match.start() for match in _HEADING.finditer(text)]
    bounds = [0, *starts, len(text)]
    names = _distinct([FIRST, *(_name(match["title"]) for match in _HEADING.finditer(text))])
    parts = zip(names, bounds, bounds[1:], strict=False)
    return "\n".join(_mark(name, text[start:stop].strip()) for name, start, stop in parts)


def renewed(theirs: bytes, ours: bytes) -> bytes:
    """Give a text with our present parts in the place of those that it has; the rest as it is.

    A part that was taken out of it stays out.

    Args:
        theirs: the text, with parts of an earlier push or without any.
        ours: the text as this push would write it.
    """
    fresh = {match["name"]: match[0] for match in _PART.finditer(ours)}
    return _PART.sub(lambda match: fresh.get(match["name"], b""), theirs)


def has_parts(text: bytes) -> bool:
    """Tell whether there is anything in a text that a push may replace."""
    return _PART.search(text) is not None


def _mark(name: str, text: str) -> str:
    first = f"<!-- generated: {name} (the next push replaces this part) -->"
    return f"{first}\n\n{text}\n\n<!-- end of generated: {name} -->\n"


def _name(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "part"


def _distinct(names: list[str]) -> list[str]:
    """Number the names that come again; a description may have headings of its own."""
    before = [names[:position].count(name) for position, name in enumerate(names)]
    return [f"{name}-{n + 1}" if n else name for name, n in zip(names, before, strict=True)]

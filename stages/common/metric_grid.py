"""A training history as a small table: the metrics of the best epoch and of the last few."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.sheet import Grid

SECTIONS = ("train", "valid", "evaluate")
LAST = 4
"""How many of the last epochs are shown."""

_OF_THE_MACHINE = {"duration", "rtf"}
_OF_A_CODEBOOK = re.compile(r".+_q\d+")


def metric_grid(history: Sequence[Mapping[str, Any]], best: int | None) -> Grid:
    """Set out a history, a column for an epoch.

    What measures the machine or one codebook stays out, and of training what valid does not have.

    Args:
        history: per epoch the sections with their numbers, NaN and infinities as text.
        best: the epoch that is shown in any case, counted from 1.
    """
    last = range(max(len(history) - LAST, 0) + 1, len(history) + 1)
    epochs = sorted({*last, *([best] if best else [])})
    shown = [history[epoch - 1] for epoch in epochs]
    names = {
        section: [name for epoch in shown for name in _section(epoch, section) if _model(name)]
        for section in SECTIONS
    }
    if names["valid"]:
        names["train"] = [name for name in names["train"] if name in names["valid"]]
    rows = tuple(
        (f"{section} {name}", *(_text(_section(epoch, section).get(name)) for epoch in shown))
        for section in SECTIONS
        for name in dict.fromkeys(names[section])
    )
    header = ("", *(f"{epoch} (best)" if epoch == best else str(epoch) for epoch in epochs))
    hidden = len(history) - len(epochs)
    note = f"{hidden} epochs before are not shown; --json has all." if hidden else ""
    return Grid(header, rows, "Metrics by epoch", note)


def _model(name: str) -> bool:
    """Tell whether a metric is about the model as a whole."""
    return name not in _OF_THE_MACHINE and not _OF_A_CODEBOOK.fullmatch(name)


def _section(epoch: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = epoch.get(name)
    return section if isinstance(section, Mapping) else {}


def _text(value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:.4g}" if number else str(value or "-")

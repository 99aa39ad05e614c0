"""Training curves as points of an inline SVG: one small picture per metric.

A history is Dora's ``history.json``: per epoch a dict of sections (``train``, ``valid``, ...), each
a dict of numbers by name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 320, 120
"""Of the plotted area, in the units of the SVG."""
SECTIONS = ("train", "valid", "evaluate")

_OF_THE_MACHINE = frozenset({"duration", "rtf"})
_DETAIL = re.compile(r".*_q\d+|lr|grad_norm|grad_scale")


@dataclass(frozen=True)
class Line:
    """One section's values of a metric.

    Attributes:
        section: ``train``, ``valid`` or ``evaluate``.
        points: the ``points`` of an SVG polyline.
        dots: the same as pairs, for a circle each: a line of one epoch shows nothing.
        at_release: the value at the released epoch, as text; empty for none.
        last: the value of the last epoch that has one, as text.
    """

    section: str
    points: str
    dots: tuple[tuple[float, float], ...]
    at_release: str
    last: str


@dataclass(frozen=True)
class Curve:
    """One metric over the epochs.

    Attributes:
        metric: its name.
        lines: a line per section that has it.
        low: the least value, as text.
        high: the greatest value, as text.
        epochs: how many epochs the axis spans.
        mark: where the released epoch is on the axis; ``None`` when it is unknown.
        detail: whether it is of a single codebook or of the optimizer, and few will ask for it.
    """

    metric: str
    lines: tuple[Line, ...]
    low: str
    high: str
    epochs: int
    mark: float | None
    detail: bool


def curves_of(history: Any, released: Any) -> tuple[Curve, ...]:
    """Draw every metric with a finite number; ``released`` is an epoch counted from 1, or none.

    The loss ``ce`` comes first, then by name.
    """
    if not isinstance(history, Sequence) or isinstance(history, str):
        return ()
    epochs = [epoch if isinstance(epoch, Mapping) else {} for epoch in history]
    names = {
        name
        for epoch in epochs
        for section in SECTIONS
        for name in _section(epoch, section)
        if name not in _OF_THE_MACHINE
    }
    known = released if isinstance(released, int) and 1 <= released <= len(epochs) else None
    drawn = (_curve(name, epochs, known) for name in sorted(names, key=lambda n: (n != "ce", n)))
    return tuple(curve for curve in drawn if curve.lines)


def _curve(metric: str, epochs: Sequence[Mapping[str, Any]], released: int | None) -> Curve:
    values = {
        section: found
        for section in SECTIONS
        if (
            found := _finite({n: _section(e, section).get(metric) for n, e in enumerate(epochs, 1)})
        )
    }
    every = [value for found in values.values() for value in found.values()]
    low, high = min(every, default=0.0), max(every, default=0.0)

    def across(epoch: int) -> float:
        return round(WIDTH * (epoch - 1) / (len(epochs) - 1), 1) if len(epochs) > 1 else WIDTH / 2

    def down(value: float) -> float:
        # Halved, since the difference of two finite numbers can be infinite.
        span = high / 2 - low / 2
        return round(HEIGHT * (high / 2 - value / 2) / span, 1) if span else HEIGHT / 2

    lines = []
    for section, found in values.items():
        dots = tuple((across(epoch), down(value)) for epoch, value in found.items())
        at_release = f"{found[released]:.4g}" if released in found else ""
        points = " ".join(f"{x:g},{y:g}" for x, y in dots)
        last = f"{found[max(found)]:.4g}"
        lines.append(Line(section, points, dots, at_release, last))
    return Curve(
        metric, tuple(lines), f"{low:.4g}", f"{high:.4g}", len(epochs),
        None if released is None else across(released), bool(_DETAIL.fullmatch(metric)),
    )  # fmt: skip


def _section(epoch: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = epoch.get(name)
    return section if isinstance(section, Mapping) else {}


def _finite(values: Mapping[int, Any]) -> dict[int, float]:
    return {
        epoch: float(value)
        for epoch, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }

"""Training curves as points of an inline SVG: one small picture per metric.

A history is Dora's ``history.json``: per epoch a dict of sections (``train``, ``valid``, ...), each
a dict of numbers by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import lenient

WIDTH, HEIGHT = 320, 120
"""Of the plotted area, in the units of the SVG."""
SECTIONS = ("train", "valid", "evaluate")

OF_THE_MACHINE = frozenset({"duration", "rtf"})
"""What measures the machine and not the model."""
_DETAIL = re.compile(r".*_q\d+|lr|grad_norm|grad_scale")


@dataclass(frozen=True)
class Scale:
    """Where epochs and values are in a picture.

    Attributes:
        low: the least value.
        high: the greatest value.
        epochs: how many there are.
        width: of the plotted area.
        height: of the same.
    """

    low: float
    high: float
    epochs: int
    width: int
    height: int

    @classmethod
    def of(cls, values: Sequence[float], epochs: int, width: int, height: int) -> Scale:
        """Make all values fit."""
        return cls(min(values, default=0.0), max(values, default=0.0), epochs, width, height)

    def across(self, epoch: int) -> float:
        """Give the x of an epoch, counted from 1."""
        steps = self.epochs - 1
        return round(self.width * (epoch - 1) / steps, 1) if steps > 0 else self.width / 2

    def down(self, value: float) -> float:
        """Give the y of a value."""
        # Halved, since the difference of two finite numbers can be infinite.
        span = self.high / 2 - self.low / 2
        return (
            round(self.height * (self.high / 2 - value / 2) / span, 1) if span else self.height / 2
        )

    def dots(self, values: Mapping[int, float]) -> tuple[tuple[float, float], ...]:
        """Give x and y of every epoch's value."""
        return tuple((self.across(epoch), self.down(value)) for epoch, value in values.items())


def polyline(dots: Sequence[tuple[float, float]]) -> str:
    """Give the ``points`` of an SVG polyline."""
    return " ".join(f"{x:g},{y:g}" for x, y in dots)


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


def is_detail(metric: str) -> bool:
    """Tell whether a metric is of a single codebook or of the optimizer: few will ask for it."""
    return bool(_DETAIL.fullmatch(metric))


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
        for name in lenient.mapping(epoch.get(section))
        if name not in OF_THE_MACHINE
    }
    known = released if isinstance(released, int) and 1 <= released <= len(epochs) else None
    drawn = (_curve(name, epochs, known) for name in sorted(names, key=lambda n: (n != "ce", n)))
    return tuple(curve for curve in drawn if curve.lines)


def _curve(metric: str, epochs: Sequence[Mapping[str, Any]], released: int | None) -> Curve:
    values = {
        section: found
        for section in SECTIONS
        if (found := finite({n: _value(e, section, metric) for n, e in enumerate(epochs, 1)}))
    }
    every = [value for found in values.values() for value in found.values()]
    scale = Scale.of(every, len(epochs), WIDTH, HEIGHT)
    lines = []
    for section, found in values.items():
        dots = scale.dots(found)
        at_release = f"{found[released]:.4g}" if released in found else ""
        last = f"{found[max(found)]:.4g}"
        lines.append(Line(section, polyline(dots), dots, at_release, last))
    return Curve(
        metric, tuple(lines), f"{scale.low:.4g}", f"{scale.high:.4g}", len(epochs),
        None if released is None else scale.across(released), is_detail(metric),
    )  # fmt: skip


def _value(epoch: Mapping[str, Any], section: str, metric: str) -> Any:
    return lenient.mapping(epoch.get(section)).get(metric)


def finite(values: Mapping[int, Any]) -> dict[int, float]:
    """Keep the epochs whose value is a finite number."""
    numbers = {epoch: lenient.number(value) for epoch, value in values.items()}
    return {epoch: number for epoch, number in numbers.items() if number is not None}

"""One metric over the epochs of every experiment, with what was released of them, as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.curves import Scale, finite, polyline
from pipeline.variants import Variant

WIDTH, HEIGHT = 880, 260
"""Of the plotted area, in the units of the SVG."""
STYLES = 12
"""How many lines look different from each other: six colours, each whole and dashed."""


@dataclass(frozen=True)
class Trace:
    """The metric of one experiment.

    Attributes:
        name: the signature, or the variant whose history it is.
        style: how the line looks, from 0 to `STYLES` - 1.
        values: by epoch, counted from 1; finite ones only.
        points: the ``points`` of an SVG polyline.
        dots: the same as pairs, where a line of so few epochs would hardly be seen.
    """

    name: str
    style: int
    values: Mapping[int, float]
    points: str
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Mark:
    """A released epoch: where it is, and whose.

    Attributes:
        x: across.
        y: down.
        style: of the line that it is on.
        title: the variants, the epoch and the value.
        best: whether the best of all variants is among them.
    """

    x: float
    y: float
    style: int
    title: str
    best: bool


@dataclass(frozen=True)
class Chart:
    """The whole picture.

    Attributes:
        traces: a line per experiment, by name.
        marks: what was released, in the order in which it is drawn.
        low: the least value, as text.
        high: the greatest value, as text.
        epochs: how many epochs the axis spans.
    """

    traces: tuple[Trace, ...]
    marks: tuple[Mark, ...]
    low: str
    high: str
    epochs: int

    @classmethod
    def of(cls, variants: Sequence[Variant], metric: str, best: Variant | None) -> Chart | None:
        """Draw the metric of every experiment that has it; ``None`` when none does."""
        values = {
            name: found
            for name, longest in sorted(_longest(variants).items())
            if (found := _values(longest, metric))
        }
        every = [value for found in values.values() for value in found.values()]
        if not every:
            return None
        epochs = max(max(found) for found in values.values())
        scale = Scale.of(every, epochs, WIDTH, HEIGHT)
        traces = tuple(
            _trace(name, position % STYLES, found, scale)
            for position, (name, found) in enumerate(values.items())
        )
        marks = tuple(_marks(variants, metric, best, {t.name: t.style for t in traces}, scale))
        return cls(traces, marks, f"{scale.low:.4g}", f"{scale.high:.4g}", epochs)


def _experiment(variant: Variant) -> str:
    return variant.signature or variant.name


def _longest(variants: Sequence[Variant]) -> Mapping[str, Variant]:
    """Give for each experiment the variant whose checkpoint has seen the most of it."""
    found: dict[str, Variant] = {}
    for variant in sorted(variants, key=lambda v: v.name):
        known = found.setdefault(_experiment(variant), variant)
        if len(variant.history) > len(known.history):
            found[_experiment(variant)] = variant
    return found


def _values(variant: Variant, metric: str) -> dict[int, float]:
    return finite({n: variant.at(n, metric) for n in range(1, len(variant.history) + 1)})


def _trace(name: str, style: int, values: dict[int, float], scale: Scale) -> Trace:
    dots = scale.dots(values)
    return Trace(name, style, values, polyline(dots), dots if len(dots) < 40 else ())


def _marks(
    variants: Sequence[Variant],
    metric: str,
    best: Variant | None,
    styles: Mapping[str, int],
    scale: Scale,
) -> list[Mark]:
    """Mark what was released; variants of one epoch share a mark, and the best is on top."""
    shared: dict[tuple[str, int, float], list[Variant]] = {}
    for variant in variants:
        value = variant.metric(metric)
        if variant.released and variant.epoch is not None and value is not None:
            shared.setdefault((_experiment(variant), variant.epoch, value), []).append(variant)
    marks = [
        Mark(
            scale.across(epoch),
            scale.down(value),
            styles[experiment],
            f"{', '.join(v.name for v in found)}: epoch {epoch}, {value:.4g}",
            any(v is best for v in found),
        )
        for (experiment, epoch, value), found in shared.items()
    ]
    return sorted(marks, key=lambda mark: mark.best)

"""The columns of a board: what a page, a text and a terminal show of every variant alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.amounts import amount
from pipeline.curves import is_detail
from pipeline.page import VERDICTS
from pipeline.variants import Variant

DIGITS = 12
"""How much of a digest is shown."""

_ALSO = {"evaluate.text_consistency": "CLAP"}
"""What people call a metric that AudioCraft names otherwise."""

_GRAVITY = {verdict: rank for rank, verdict in enumerate(VERDICTS)}

_FIGURES = {
    "codec.sound.snr_db": "codec's SNR, dB",
    "lm.logits.relative": "logits' change",
    "lm.parity.wrong_elements": "wrong numbers",
    "baseline.tensors.relative_difference": "from baseline",
    "baseline.metrics.regression": "regression",
}


@dataclass(frozen=True)
class Cell:
    """What a column says of one variant.

    Attributes:
        text: for people; empty for nothing.
        value: to sort by: a number or a text; ``None`` comes last.
        full: the same at length, where the text is cut.
    """

    text: str
    value: float | str | None
    full: str = ""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        title: its name.
        cells: one per variant.
        number: whether they are numbers, which stand to the right.
        telling: whether it is worth a column although all variants say the same.
    """

    title: str
    cells: tuple[Cell, ...]
    number: bool = False
    telling: bool = True

    @property
    def said(self) -> set[str]:
        """The different texts in it, but for the empty one."""
        return {cell.text for cell in self.cells if cell.text}


def columns_of(variants: Sequence[Variant], metric: str) -> tuple[Column, ...]:
    """Give the columns beside the name, those without any text left out.

    Args:
        variants: in the order of the rows.
        metric: by which they are compared; the first of the metrics.
    """

    def column(
        title: str, cell: Callable[[Variant], Cell], number: bool = False, telling: bool = True
    ) -> Column:
        return Column(title, tuple(map(cell, variants)), number, telling)

    columns = [
        column("verdict", lambda v: _text(v.verdict)),
        column("validated", lambda v: _text("yes" if v.validated else "no")),
        column("epoch", lambda v: _number(v.epoch, "d"), number=True),
        *(
            column(f"{name} ({_ALSO[name]})" if name in _ALSO else name, _metric(name), True)
            for name in metrics_of(variants, metric)
        ),
        *(column(title, _figure(name), True, False) for name, title in _FIGURES.items()),
        column("checks", _checks, telling=False),
        column("signature", lambda v: _text(v.signature), telling=False),
        column("state", lambda v: _text(v.state), telling=False),
        column("dtype", lambda v: _text(v.dtype), telling=False),
        column("codec", lambda v: _text(v.codec), telling=False),
        column("size", _size, number=True, telling=False),
        column("state's digest", lambda v: _cut(v.state_digest)),
        column("release's digest", lambda v: _cut(v.digest)),
        column("published", lambda v: _text("; ".join(map(str, v.published)))),
    ]
    return tuple(each for each in columns if each.said)


def metrics_of(variants: Sequence[Variant], metric: str) -> tuple[str, ...]:
    """Name the metrics that are worth a column: of validation and evaluation, of no codebook."""
    names = {
        name
        for variant in variants
        for name in variant.metrics
        if name.startswith(("valid.", "evaluate.")) and not is_detail(name.partition(".")[2])
    }
    return tuple(dict.fromkeys([metric, *sorted(names, key=_rank)]))


def _rank(name: str) -> tuple[bool, bool, str]:
    return name.startswith("evaluate."), name != "valid.ce", name


def _text(text: str) -> Cell:
    return Cell(text, text or None)


def _cut(digest: str) -> Cell:
    return Cell(digest[:DIGITS], digest or None, digest)


def _number(value: float | None, form: str = ".4g") -> Cell:
    return Cell("" if value is None else format(value, form), value)


def _size(variant: Variant) -> Cell:
    if variant.size is None:
        return Cell("", None)
    return Cell(amount(variant.size), variant.size, f"{variant.size:,} bytes")


def _metric(name: str) -> Callable[[Variant], Cell]:
    return lambda variant: _number(variant.metric(name))


def _figure(name: str) -> Callable[[Variant], Cell]:
    return lambda variant: _number(variant.figures.get(name))


def _checks(variant: Variant) -> Cell:
    known = sorted(variant.checks.items(), key=lambda pair: _GRAVITY.get(pair[0], len(_GRAVITY)))
    told = ", ".join(f"{number} {verdict}" for verdict, number in known)
    return Cell(told, told or None)

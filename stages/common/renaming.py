"""What a tensor of one naming is made of in another: rows of a source tensor, or all of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stages.common.checks import listed
from stages.common.settings import Unusable

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Padding:
    """Rows of one value behind those of the source.

    Attributes:
        rows: how many.
        value: of each of their elements.
    """

    rows: int
    value: float


@dataclass(frozen=True)
class Part:
    """Where a tensor comes from.

    Attributes:
        name: of the source tensor.
        rows: those of its rows that it is made of, counted in the first dimension; all where
            ``None``.
        padding: what comes behind them.
    """

    name: str
    rows: slice | None = None
    padding: Padding | None = None

    def shape(self, source: tuple[int, ...]) -> tuple[int, ...]:
        """Give the shape that it has when the source has the shape ``source``."""
        if not source:
            return source
        count = source[0] if self.rows is None else len(range(*self.rows.indices(source[0])))
        return (count + (self.padding.rows if self.padding else 0), *source[1:])


def demand_none_left(names: Iterable[str]) -> None:
    """Make sure that every source tensor found its place.

    Raises:
        Unusable: naming those that did not.
    """
    if left := sorted(names):
        raise Unusable(f"transformers has no place for {listed(left)}")

"""What a model was judged by, by dotted name: ``valid.ce``, ``evaluate.fad``.

A history knows every digit; a card has four of them (six of an evaluation's), and is all that
others have. Two values of which one comes from a card are compared as a card prints them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import FormatError
from stages.common.front_matter import Card
from stages.common.metrics import EpochMetrics
from stages.common.value_changes import ValueChanges, value_changes

_ROW = re.compile(r"^\| ([\w.]+) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
"""A line of the metrics in a card: name, training, validation."""


@dataclass(frozen=True)
class ToldMetrics:
    """The metrics of one epoch.

    Attributes:
        values: by dotted name.
        rounded: whether they have a card's few digits.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    rounded: bool = False

    @classmethod
    def in_card(cls, content: bytes) -> ToldMetrics:
        """Read a model card; what cannot be read tells no metrics."""
        found = {}
        for name, *columns in _ROW.findall(content.decode("utf-8", "replace")):
            for section, text in zip(("train", "valid"), columns, strict=True):
                with suppress(ValueError):
                    found[f"{section}.{name}"] = float(text)
        return cls({**found, **dict(_evaluations(content))}, rounded=True)

    @classmethod
    def of_epoch(cls, epoch: EpochMetrics | None) -> ToldMetrics:
        """Take those of an epoch of a history."""
        if epoch is None:
            return cls()
        sections = {"train": epoch.train, "valid": epoch.valid}
        found = {
            f"{s}.{name}": value for s, held in sections.items() for name, value in held.items()
        }
        return cls(found | {f"evaluate.{each.type}": each.value for each in epoch.evaluations})

    def changes_to(self, after: ToldMetrics) -> ValueChanges:
        """Compare with what came later, as precisely as both are known."""
        rounded = self.rounded or after.rounded
        texts = [_texts(side.values, rounded) for side in (self, after)]
        found = value_changes(*texts)
        changed = {name: (self.values[name], after.values[name]) for name in found.changed}
        return ValueChanges(
            found.compared,
            changed,
            {name: self.values[name] for name in found.gone},
            {name: after.values[name] for name in found.new},
        )


def _texts(values: Mapping[str, float], rounded: bool) -> dict[str, str]:
    return {name: f"{value:.4g}" if rounded else repr(value) for name, value in values.items()}


def _evaluations(content: bytes) -> Iterator[tuple[str, float]]:
    """Give what the ``model-index`` of a card's metadata holds."""
    try:
        node: Any = Card.parse(content).metadata.get("model-index")
    except FormatError:
        return
    for key in ("results", "metrics"):
        node = node[0].get(key) if isinstance(node, list) and node and _mapping(node[0]) else None
    for metric in node if isinstance(node, list) else ():
        value = metric.get("value") if _mapping(metric) else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield f"evaluate.{metric.get('type')}", float(value)


def _mapping(value: Any) -> bool:
    return isinstance(value, Mapping)

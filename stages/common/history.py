"""A training history: Dora's list with, per epoch, sections of numbers by name.

The format is that of ``history.json`` and of the key ``history`` in a checkpoint: per epoch a dict
of ``train``, ``valid`` and sometimes ``evaluate`` and ``generate``, each a dict of metrics.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.amounts import many

History = Sequence[Mapping[str, Any]]

BEST_METRIC = "ce"
"""By which AudioCraft's language model solvers judge an epoch, on the valid section."""


def epochs_in(value: Any) -> list[dict[str, Any]]:
    """Give the epochs in what should be a history; none when it is something else."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return []
    return [dict(epoch) if isinstance(epoch, Mapping) else {} for epoch in value]


def best_epoch(history: History) -> int | None:
    """Give the epoch, counted from 1, whose weights AudioCraft calls best; ``None`` for none.

    That is the last one whose metric was the least so far, ties included. Without the metric, as
    for codecs, it is the last one.
    """
    scores = [score_of(epoch) for epoch in history]
    if any(score is None for score in scores):
        return len(history) or None
    best, least = None, math.inf
    for epoch, score in enumerate(scores, 1):
        # Not a plain minimum: NaN from the first epoch on stays, and nothing is best any more.
        least = score if epoch == 1 else min(least, score)  # type: ignore[type-var, assignment]
        if score == least:
            best = epoch
    return best


def summary(history: History) -> str:
    """Say in a few words how far a run came: ``3 epochs, best ce 2.672``."""
    count = many(len(history), "epoch")
    epoch = best_epoch(history)
    score = score_of(history[epoch - 1]) if epoch else None
    return count if score is None else f"{count}, best {BEST_METRIC} {score:.3f}"


def valid_json(value: Any) -> Any:
    """Give a history as JSON can hold it: NaN and infinities become text, tensors ``null``."""
    if isinstance(value, Mapping):
        return {str(name): valid_json(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [valid_json(held) for held in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if isinstance(value, str | int | float | bool) else None


def score_of(epoch: Mapping[str, Any]) -> float | None:
    """Give the metric that an epoch is judged by; ``None`` where it has none."""
    section = epoch.get("valid")
    return number(section.get(BEST_METRIC)) if isinstance(section, Mapping) else None


def metrics_of(epoch: Mapping[str, Any]) -> dict[str, float]:
    """Give the numbers of one epoch by dotted name, ``valid.ce``, in the order of the history."""
    return {
        f"{section}.{name}": found
        for section, held in epoch.items()
        if isinstance(held, Mapping)
        for name, value in held.items()
        if (found := number(value)) is not None
    }


def number(value: Any) -> float | None:
    """Give a number; JSON may hold whole ones that are larger than any float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf

"""The epoch that AudioCraft calls best, for people to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages.common.history import BEST_METRIC, best_epoch, score_of, valid_json


@dataclass(frozen=True)
class Best:
    """The epoch that AudioCraft calls best; ``value`` is that of the metric it was judged by."""

    epoch: int
    metric: str | None
    value: float | str | None


def best_of(history: list[dict[str, Any]]) -> Best | None:
    """Give the best epoch of a history, with what it was judged by."""
    epoch = best_epoch(history)
    if epoch is None:
        return None
    value = score_of(history[epoch - 1])
    if value is None:
        return Best(epoch, None, None)
    return Best(epoch, BEST_METRIC, valid_json(value))

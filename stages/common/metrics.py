"""The metrics of one epoch of a training history, as a model card shows them.

A history is Dora's ``history.json``: per epoch a dict of sections (``train``, ``valid``,
``evaluate``, ``generate``), each a dict of numbers by name. What measures the machine and not the
model stays out, so that the card is the same wherever it was trained.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.common.history import number

_OF_THE_MACHINE = frozenset({"duration", "rtf"})
_OF_THE_OPTIMIZER = frozenset({"lr", "grad_norm", "grad_scale"})

_EVALUATIONS = {
    "fad": ("fad", "Fréchet Audio Distance (FAD)"),
    "kld": ("kld", "Kullback-Leibler divergence (KLD)"),
    "text_consistency": ("clap", "Text consistency (CLAP)"),
    "chroma_cosine": ("chroma_cosine", "Chroma cosine similarity"),
    "sisnr": ("si_snr", "Scale-invariant signal-to-noise ratio (SI-SNR), dB"),
    "visqol": ("visqol", "ViSQOL"),
}
"""AudioCraft's name of an evaluation metric: the card's type and name for it."""


@dataclass(frozen=True)
class Metric:
    """One evaluation metric of a model-index."""

    type: str
    name: str
    value: float


@dataclass(frozen=True)
class EpochMetrics:
    """What one epoch was judged by.

    Attributes:
        epoch: counted from 1.
        train: number by metric name, over the training set.
        valid: the same over the validation set.
        evaluate: the same over the evaluation set; empty for most epochs.
    """

    epoch: int
    train: Mapping[str, float]
    valid: Mapping[str, float]
    evaluate: Mapping[str, float]

    @classmethod
    def of(cls, history: Sequence[Mapping[str, Any]], epoch: int | None) -> EpochMetrics | None:
        """Read one epoch; ``None`` when the history does not reach it."""
        if epoch is None or not 1 <= epoch <= len(history):
            return None
        sections = history[epoch - 1]
        return cls(epoch, *(_numbers(sections.get(s)) for s in ("train", "valid", "evaluate")))

    @property
    def rows(self) -> tuple[tuple[str, str, str], ...]:
        """Name, training value and validation value of every metric, as the card prints them."""
        names = dict.fromkeys([*self.train, *self.valid])
        return tuple((n, _text(self.train.get(n)), _text(self.valid.get(n))) for n in names)

    @property
    def evaluations(self) -> tuple[Metric, ...]:
        """The evaluation metrics, finite ones only: a model-index has no NaN."""
        return tuple(
            Metric(*_EVALUATIONS.get(name, (name, name)), float(f"{value:.6g}"))
            for name, value in self.evaluate.items()
            if math.isfinite(value)
        )


def _numbers(section: Any) -> dict[str, float]:
    if not isinstance(section, Mapping):
        return {}
    left_out = _OF_THE_MACHINE | _OF_THE_OPTIMIZER
    return {
        str(name): held
        for name, value in sorted(section.items())
        if (held := number(value)) is not None and name not in left_out
    }


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"

"""The variants of a release as their runs left them, and which of them is the best.

They are read from the documented files of a run, so the engine need not know a stage. What a run
has not, or what is spoilt, is empty, and the faults tell of it: one variant spoils no comparison.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pipeline import lenient
from pipeline.curves import OF_THE_MACHINE, SECTIONS
from pipeline.layout import ReleaseRuns, Run
from pipeline.published import Published
from pipeline.reading import Reading
from pipeline.sounds import Sample

Mode = Literal["min", "max"]
"""Whether the least or the greatest value of a metric is the best."""


@dataclass(frozen=True)
class Variant:
    """One variant, from the folder of its run.

    Attributes:
        name: the folder's.
        verdict: how its last run ended: ``done``, ``failed`` or ``interrupted``; or ``unfinished``,
            when none did yet.
        run: its folders.
        reason: the first line of why it failed, without the folders of this machine.
        faults: what is missing or spoilt, a line each.
        signature: of the experiment; empty for none, likewise what follows.
        state: ``best``, ``ema`` or ``last``.
        dtype: of the released weights.
        codec: the name or signature of the compression model.
        epoch: that the weights come from, counted from 1; ``None`` when it is unknown.
        state_digest: sha256 in hex of the chosen tensors.
        digest: sha256 in hex of SHA256SUMS, which stands for the whole release.
        size: bytes of the files that release.json lists; ``None`` without a release.
        validation: the verdict of the report: ``pass``, ``warn`` or ``fail``.
        checks: how many of them said what.
        figures: what validate measured, by the names of check and figure, to two digits: more
            would differ between two machines.
        published: where.
        samples: what can be heard.
        report: the page of its last run, below the release's folder; ``None`` for none.
        history: the training, per epoch a mapping of sections to numbers by name.
    """

    name: str
    verdict: str
    run: Run = field(repr=False)
    reason: str = ""
    faults: tuple[str, ...] = ()
    signature: str = ""
    state: str = ""
    dtype: str = ""
    codec: str = ""
    epoch: int | None = None
    state_digest: str = ""
    digest: str = ""
    size: int | None = None
    validation: str = ""
    checks: Mapping[str, int] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    published: tuple[Published, ...] = ()
    samples: tuple[Sample, ...] = ()
    report: PurePosixPath | None = None
    history: Sequence[Any] = field(default=(), repr=False)

    @classmethod
    def of(cls, run: Run) -> Variant:
        """Read a variant; where the disk refuses, that is its fault."""
        try:
            return cls._read(run, Reading(run))
        except OSError as error:
            fault = f"{lenient.text(Path(str(error.filename)).name)}: {error.strerror}"
            return cls(lenient.text(run.root.name), "unfinished", run=run, faults=(fault,))

    @classmethod
    def _read(cls, run: Run, found: Reading) -> Variant:
        source = found.source
        return cls(
            name=lenient.text(run.root.name),
            verdict=found.verdict,
            run=run,
            reason=found.reason,
            faults=tuple(found.faults),
            signature=lenient.text(source.get("signature")),
            state=lenient.text(source.get("state")),
            dtype=found.dtype,
            codec=found.codec,
            epoch=lenient.whole(source.get("epoch")),
            state_digest=lenient.text(source.get("state_digest")),
            digest=found.digest,
            size=found.size,
            validation=found.validation,
            checks=found.checks,
            figures=found.figures,
            published=found.published,
            samples=found.samples,
            report=found.page,
            history=found.history,
        )

    @cached_property
    def metrics(self) -> Mapping[str, float]:
        """The finite metrics of the released epoch, by section and name: ``valid.ce``."""
        if self.epoch is None or not 1 <= self.epoch <= len(self.history):
            return {}
        sections = lenient.mapping(self.history[self.epoch - 1])
        found = {
            f"{section}.{lenient.text(name)}": lenient.number(value)
            for section in SECTIONS
            for name, value in lenient.mapping(sections.get(section)).items()
            if name not in OF_THE_MACHINE
        }
        return {name: value for name, value in sorted(found.items()) if value is not None}

    def at(self, epoch: int, metric: str) -> float | None:
        """Give a metric of any epoch of the history, counted from 1; ``None`` as for `metric`."""
        section, _, name = metric.partition(".")
        return lenient.number(
            lenient.mapping(lenient.mapping(self.history[epoch - 1]).get(section)).get(name)
        )

    def metric(self, name: str) -> float | None:
        """Give a metric of the released epoch; ``None`` when it is missing, NaN or infinite."""
        return self.metrics.get(name)

    @property
    def validated(self) -> bool:
        """Whether every check let it pass, and its files still are what the checks saw."""
        return self.validation in ("pass", "warn") and not self.faults

    @property
    def released(self) -> bool:
        """Whether there is a release of it."""
        return bool(self.digest)


def variants_of(folder: Path) -> tuple[Variant, ...]:
    """Read every variant below ``outputs/<release>/``; none when there is no such folder.

    They are ordered by experiment, epoch and name, whatever made them in which order.
    """
    found = [Variant.of(run) for run in ReleaseRuns(folder).runs]
    return tuple(sorted(found, key=lambda v: (not v.signature, v.signature, _late(v), v.name)))


def best_of(variants: Iterable[Variant], metric: str, mode: Mode = "min") -> Variant | None:
    """Give the variant whose metric is the best; ``None`` when no variant has it.

    What is missing, NaN or infinite never wins; of equals, the earliest epoch does, then the
    largest release, which has lost the least to a cast, then the first name.

    Args:
        variants: among which to choose, in any order.
        metric: section and name, ``valid.ce``.
        mode: ``min`` or ``max``.
    """
    sign = 1 if mode == "min" else -1
    scored = [(sign * value, v) for v in variants if (value := v.metric(metric)) is not None]
    ranked = sorted(scored, key=lambda pair: (pair[0], _rank(pair[1])))
    return ranked[0][1] if ranked else None


def _rank(variant: Variant) -> tuple[float, int, str]:
    return _late(variant), -(variant.size or 0), variant.name


def _late(variant: Variant) -> float:
    return math.inf if variant.epoch is None else variant.epoch

"""Of the jobs of a sweep, the one whose variant is the best: ``select=best`` publishes no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from pipeline.errors import SweepError
from pipeline.schema import SelectConfig
from pipeline.sweep import DONE, Job
from pipeline.variants import Mode, Variant, best_of


@dataclass(frozen=True)
class Winner:
    """The best job of a sweep, and the value of the metric that makes it so."""

    job: Job
    value: float


def winner(jobs: Sequence[Job], choice: SelectConfig) -> Winner | None:
    """Choose the best of the validated variants; of equals, that of the earliest epoch.

    Args:
        jobs: those of one release, as they ended.
        choice: what ranks them.

    Returns:
        ``None`` when jobs failed, and ``select.allow_failed`` does not let that pass.

    Raises:
        SweepError: when no variant was validated, or none has the metric.
    """
    done = [job for job in jobs if job.verdict == DONE]
    if len(done) < len(jobs) and not choice.allow_failed:
        return None
    variants = [(Variant.of(job.run), job) for job in done]
    validated = [variant for variant, _ in variants if variant.validated]
    best = best_of(validated, choice.metric, cast(Mode, choice.mode))
    if best is None:
        known = sorted({name for variant in validated for name in variant.metrics})
        raise SweepError(
            f"None of {len(done)} variants is the best: none has {choice.metric}."
            if validated
            else f"None of {len(done)} variants is the best: validate passed none of them.",
            f"select.metric={choice.metric}" if validated else "",
            f"There are: {', '.join(known)}" if known else "Choose validate=quick, the default.",
        )
    (job,) = (job for variant, job in variants if variant is best)
    return Winner(job, best.metrics[choice.metric])

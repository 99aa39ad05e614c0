"""What the jobs of a sweep tell its driver, by files: a launcher forgets jobs that were killed.

Each job writes into ``outputs/.sweeps/<sweep>/`` when it begins and when it ends, wherever it runs.
One that began and never ended was killed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from pipeline import files
from pipeline.errors import PipelineError, unexpected
from pipeline.layout import Outputs, Run
from pipeline.manifest import digest, pretty
from pipeline.requeue import end_by_signal
from pipeline.schema import SelectConfig

WAITING, RUNNING = "waiting", "running"
DONE, FAILED, INTERRUPTED, KILLED = "done", "failed", "interrupted", "killed"


def result_file(outputs: Outputs, sweep: str, overrides: Sequence[str]) -> Path:
    """Give where a job tells how it is: a file by its request, which it has to itself."""
    return outputs.sweep(sweep) / f"{digest(list(overrides))[:16]}.json"


@dataclass(frozen=True)
class Job:
    """One job of a sweep.

    Attributes:
        sweep: the sweep's name; no two have the same.
        number: its place in the sweep, from 1.
        overrides: its request, as Hydra takes it.
        run: the folders where it works.
        choice: what ranks the variants.
        pushed_if_best: whether it is one of those of which only the best is pushed.
        only_planned: whether it is to make nothing, and to say what it would make.
        rank: what its epoch was chosen by, if by anything.
        verdict: ``waiting``, ``running``, ``done``, ``failed``, ``interrupted`` or ``killed``.
        reason: why it failed, in one to three lines.
        seconds: how long it took.
    """

    sweep: str
    number: int
    overrides: tuple[str, ...]
    run: Run
    choice: SelectConfig
    pushed_if_best: bool = False
    only_planned: bool = False
    rank: float | None = None
    verdict: str = WAITING
    reason: str = ""
    seconds: float = 0.0

    @property
    def ended(self) -> bool:
        """Tell whether it came to an end of its own."""
        return self.verdict in (DONE, FAILED, INTERRUPTED)

    @property
    def now(self) -> Job:
        """The same job, as far as it has come by its own word."""
        file = result_file(self.run.outputs, self.sweep, self.overrides)
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
            return replace(self, **{key: told[key] for key in ("verdict", "reason", "seconds")})
        except (OSError, ValueError, KeyError, TypeError):
            return self


def leave_failure(job: Job) -> None:
    """Leave the word of a job that failed before it could begin, for the board to tell of it."""
    if job.verdict in (FAILED, KILLED) and job.reason and not job.run.result.exists():
        job.run.root.mkdir(parents=True, exist_ok=True)
        told = {"verdict": FAILED, "reason": job.reason, "seconds": job.seconds, "stages": {}}
        files.write_text(job.run.result, pretty(told))


@contextmanager
def recorded(outputs: Outputs) -> Iterator[None]:
    """Leave how the job in this block ended, where it is one of a sweep of ours.

    Args:
        outputs: the folder that all runs share.

    Raises:
        PipelineError: for whatever it raised: an exit would take other jobs along.
        SystemExit: when the cluster runs the job again.
    """
    hydra = HydraConfig.get()
    sweep = OmegaConf.select(hydra.sweeper, "id")
    if sweep is None:
        yield
        return
    file, started = result_file(outputs, sweep, hydra.overrides.task), time.monotonic()

    def tell(verdict: str, reason: str = "") -> None:
        seconds = round(time.monotonic() - started, 3)
        file.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(file, pretty({"verdict": verdict, "reason": reason, "seconds": seconds}))

    tell(RUNNING)
    try:
        yield
    except KeyboardInterrupt:
        tell(INTERRUPTED, "interrupted")
        raise
    except BaseException as error:
        failure = _failure(error)
        tell(FAILED, str(failure))
        if failure is error:
            raise
        raise failure from error
    tell(DONE)


def _failure(error: BaseException) -> PipelineError:
    """Say in our words why a job failed."""
    if (end := end_by_signal(error)) is not None:
        return end
    if isinstance(error, PipelineError):
        return error
    return unexpected(error)

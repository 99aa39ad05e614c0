"""Runs the jobs of a sweep through a launcher, and loses none, whatever the launcher does.

What a launcher does when a job is killed differs: a pool of workers (joblib, ray) breaks, and takes
along what it had begun and what it had not; submitit tells of the first one and forgets those that
still run. How each job ended is therefore its own word, see `pipeline.sweep`.
"""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hydra.plugins.launcher import Launcher

from pipeline.errors import PipelineError, SweepError
from pipeline.sweep import KILLED, RUNNING, WAITING, Job

PATIENCE = 60.0
"""Seconds after which what a node has written shows on another; NFS keeps a listing for half."""

_SUBMITIT = "hydra_plugins.hydra_submitit_launcher"
_STATE = re.compile(r"\(state: ([A-Z_]+)")


@dataclass(frozen=True)
class _Failure:
    """What a launcher raised, and what it knows of single jobs, by their numbers."""

    error: Exception
    of_jobs: Mapping[int, BaseException]

    @property
    def pooled(self) -> bool:
        """Tell whether one job's death took others along."""
        return not _began_elsewhere(self.error)


def run_jobs(launcher: Launcher, jobs: Sequence[Job]) -> list[Job]:
    """Run jobs, and give them as they ended.

    Raises:
        SweepError: when the launcher could not start a single one.
    """
    failure = _launch(launcher, jobs)
    now = [job.now for job in jobs] if failure else _settled(jobs)
    if failure is not None and failure.pooled:
        now = _rerun(launcher, now, failure)
    return [job if job.ended else _lost(job, failure) for job in now]


def _settled(jobs: Sequence[Job]) -> list[Job]:
    """Give jobs that have all ended; a network's file system may be late in saying so."""
    end = time.monotonic() + PATIENCE
    now = [job.now for job in jobs]
    while not all(job.ended for job in now) and time.monotonic() < end:
        time.sleep(0.5)
        now = [job.now for job in jobs]
    return now


def _launch(launcher: Launcher, jobs: Sequence[Job]) -> _Failure | None:
    """Launch, wait for all, and give what the launcher raised."""
    try:
        launcher.launch([list(job.overrides) for job in jobs], jobs[0].number - 1)
    except Exception as error:
        return _Failure(error, _awaited(jobs, _began_elsewhere(error)))
    except KeyboardInterrupt as error:
        _cancel(_began_elsewhere(error))
        raise
    return None


def _awaited(jobs: Sequence[Job], outside: Sequence[Any]) -> dict[int, BaseException]:
    """Wait for submitit's jobs; give what it knows of those that died."""
    raised = {}
    try:
        for job, left in zip(jobs, outside, strict=bool(outside)):
            left.wait()
            if (error := left.exception()) is not None:
                raised[job.number] = error
    except KeyboardInterrupt:
        _cancel(outside)
        raise
    return raised


def _cancel(outside: Sequence[Any]) -> None:
    for left in outside:
        left.cancel(check=False)


def _rerun(launcher: Launcher, jobs: Sequence[Job], failure: _Failure) -> list[Job]:
    """Run again what a broken pool took along: first what had not begun, then the rest singly.

    One of those that had begun was killed, and would break the next pool for the others, too.
    """
    waiting = [job for job in jobs if job.verdict == WAITING]
    suspects = [job for job in jobs if job.verdict == RUNNING]
    if len(waiting) == len(jobs):
        what = f"The launcher could not run a single job: {_said(failure.error)}"
        raise SweepError(what, hint="Try hydra/launcher=basic, which runs one after the other.")
    ended = {job.number: job for job in run_jobs(launcher, waiting)} if waiting else {}
    for suspect in suspects if len(suspects) > 1 else ():
        _launch(launcher, [suspect])
        ended[suspect.number] = suspect.now
    return [ended.get(job.number, job) for job in jobs]


def _lost(job: Job, failure: _Failure | None) -> Job:
    """Say of a job that never told its end what became of it."""
    how = f": {_said(failure.of_jobs.get(job.number, failure.error))}" if failure else "."
    what = "It was killed" if job.verdict == RUNNING else "It was never begun"
    return replace(job, verdict=KILLED, reason=what + how)


def _said(error: BaseException) -> str:
    """Give the news in what a launcher raised, in a line."""
    if isinstance(error, PipelineError):
        return error.what
    text = str(error).strip()
    if state := _STATE.search(text):  # of submitit, below a path and above a whole log
        return state[1] if state[1] != "FINISHED" else "it left no result"
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


def _began_elsewhere(error: BaseException) -> Sequence[Any]:
    """Give submitit's jobs, which run on in processes or on nodes of their own.

    Its launcher waits for one after the other and raises at the first that was killed; the jobs
    themselves it keeps in its frame alone.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if str(frame.f_globals.get("__name__")).startswith(_SUBMITIT) and "jobs" in frame.f_locals:
            return list(frame.f_locals["jobs"])
    return ()

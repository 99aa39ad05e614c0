"""Runs the jobs of a sweep through a launcher, and loses none, whatever the launcher does.

What a launcher does when a job is killed differs: a pool of workers (joblib, ray) breaks, and takes
along what it had begun and what it had not; submitit tells of the first one and forgets those that
still run. How each job ended is therefore its own word, see `pipeline.sweep`.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hydra.plugins.launcher import Launcher

from pipeline.errors import PipelineError, SweepError
from pipeline.sweep import KILLED, RUNNING, WAITING, Job

_SUBMITIT = "hydra_plugins.hydra_submitit_launcher"


def run_jobs(launcher: Launcher, jobs: Sequence[Job]) -> list[Job]:
    """Run jobs, and give them as they ended.

    Raises:
        SweepError: when the launcher could not start a single one.
    """
    failure = _launch(launcher, jobs)
    now = [job.now for job in jobs]
    if failure is not None and not _began_elsewhere(failure):
        now = _rerun(launcher, now, failure)
    return [job if job.ended else _lost(job, failure) for job in now]


def _launch(launcher: Launcher, jobs: Sequence[Job]) -> Exception | None:
    """Launch, wait for all, and give what the launcher raised."""
    try:
        launcher.launch([list(job.overrides) for job in jobs], jobs[0].number - 1)
    except Exception as error:
        for left in _began_elsewhere(error):
            left.wait()
        return error
    except KeyboardInterrupt as error:
        for left in _began_elsewhere(error):
            left.cancel(check=False)
        raise
    return None


def _rerun(launcher: Launcher, jobs: Sequence[Job], failure: Exception) -> list[Job]:
    """Run again what a broken pool took along: first what had not begun, then the rest singly.

    One of those that had begun was killed, and would break the next pool for the others, too.
    """
    waiting = [job for job in jobs if job.verdict == WAITING]
    suspects = [job for job in jobs if job.verdict == RUNNING]
    if len(waiting) == len(jobs):
        what = f"The launcher could not run a single job: {_said(failure)}"
        raise SweepError(what, hint="Try hydra/launcher=basic, which runs one after the other.")
    ended = {job.number: job for job in run_jobs(launcher, waiting)} if waiting else {}
    for suspect in suspects if len(suspects) > 1 else ():
        _launch(launcher, [suspect])
        ended[suspect.number] = suspect.now
    return [ended.get(job.number, job) for job in jobs]


def _lost(job: Job, failure: Exception | None) -> Job:
    """Say of a job that never told its end what became of it."""
    how = f": {_said(failure)}" if failure is not None else "."
    what = "It was killed" if job.verdict == RUNNING else "It was never begun"
    return replace(job, verdict=KILLED, reason=what + how)


def _said(failure: Exception) -> str:
    """Give the first line of what a launcher raised."""
    if isinstance(failure, PipelineError):
        return failure.what
    lines = str(failure).strip().splitlines()
    return f"{type(failure).__name__}: {lines[0]}" if lines else type(failure).__name__


def _began_elsewhere(error: BaseException) -> Sequence[Any]:
    """Give submitit's jobs, which run on in processes or on nodes of their own.

    Its launcher waits for one after the other and raises at the first that was killed; the jobs
    themselves it keeps in its frame alone.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if str(frame.f_globals.get("__name__")).startswith(_SUBMITIT) and "jobs" in frame.f_locals:
            return list(frame.f_locals["jobs"])
    return ()

"""What submitit raises in the middle of a job that is preempted, or whose time is over.

Its signal handler queues the job again and exits: the same job comes to life once more, and must
not have ended in the eyes of its driver. Where Slurm was quicker to queue it, that very step fails.
"""

from __future__ import annotations

from traceback import walk_tb

from pipeline.errors import PipelineError

_HANDLER = ("submitit.core.job_environment", "checkpoint_and_try_requeue")


def end_by_signal(error: BaseException) -> PipelineError | None:
    """Give why a signal of the cluster ended a job; ``None`` when none did.

    Raises:
        SystemExit: when the job is queued again: then it has no end yet.
    """
    raised = _raised_by_handler(error)
    if raised is None:
        return None
    if isinstance(raised, SystemExit):
        raise raised  # with its status, by which submitit knows it on one machine
    if type(raised).__name__ != "UncompletedJobError":
        raise SystemExit("queued again") from error
    return PipelineError(
        "Its time was over, and it has been queued again as often as it may be.",
        hint="Give it longer (hydra.launcher.timeout_min=240), or less to do (validate=quick).",
    )


def _raised_by_handler(error: BaseException) -> BaseException | None:
    """Give the error itself, or the cause of it, that was raised in submitit's handler."""
    found: BaseException | None = error
    while found is not None:
        frames = (frame for frame, _ in walk_tb(found.__traceback__))
        if any((f.f_globals.get("__name__"), f.f_code.co_name) == _HANDLER for f in frames):
            return found
        found = found.__cause__
    return None

"""Launchers that lose jobs, each in the way of a real one (facts: tests/launchers)."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pipeline import files
from pipeline.errors import SweepError
from pipeline.launching import run_jobs
from pipeline.layout import Outputs, Run
from pipeline.manifest import pretty
from pipeline.schema import SelectConfig
from pipeline.sweep import Job, result_file

Fate = str
"""What becomes of a job: ``done``, ``failed``, or ``killed``."""


class Pool:
    """Workers that die together: of a launch, the first that is killed ends all."""

    def __init__(self, outputs: Outputs, fates: dict[str, Fate], beside: int = 2) -> None:
        self.outputs, self.fates, self.beside = outputs, fates, beside
        self.launches: list[list[str]] = []

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[Any]:
        names = [overrides[0] for overrides in job_overrides]
        self.launches.append(names)
        for start in range(0, len(names), self.beside):
            together = names[start : start + self.beside]
            for name in together:
                tell(self.outputs, name, "running")
            if any(self.fates.get(name) == "killed" for name in together):
                raise RuntimeError("a worker was terminated\nand a lot of advice")
            for name in together:
                tell(self.outputs, name, self.fates.get(name, "done"))
        return []


def tell(outputs: Outputs, name: str, verdict: str) -> None:
    file = result_file(outputs, "sweep", [name])
    file.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(file, pretty({"verdict": verdict, "reason": "", "seconds": 1.0}))


@pytest.fixture
def outputs(tmp_path) -> Outputs:
    return Outputs(tmp_path)


def jobs_of(outputs: Outputs, names: str) -> list[Job]:
    run = Run(outputs.root / "release" / "variant", outputs)
    return [Job("sweep", n, (name,), run, SelectConfig("all")) for n, name in enumerate(names, 1)]


def ended(launcher: Any, jobs: Sequence[Job]) -> dict[str, str]:
    return {job.overrides[0]: job.verdict for job in run_jobs(launcher, jobs)}


def test_jobs_end_by_their_own_word(outputs):
    pool = Pool(outputs, {"b": "failed"})
    assert ended(pool, jobs_of(outputs, "abc")) == {"a": "done", "b": "failed", "c": "done"}
    assert pool.launches == [["a", "b", "c"]]


def test_a_pool_that_broke_is_filled_again_but_for_the_one_that_broke_it(outputs):
    pool = Pool(outputs, {"c": "killed"})
    found = ended(pool, jobs_of(outputs, "abcdef"))
    assert found == {**dict.fromkeys("abdef", "done"), "c": "killed"}
    assert pool.launches == [list("abcdef"), ["e", "f"], ["c"], ["d"]]


def test_two_that_are_killed_take_no_other_along(outputs):
    found = ended(Pool(outputs, {"a": "killed", "e": "killed"}), jobs_of(outputs, "abcdef"))
    assert found == {**dict.fromkeys("bcdf", "done"), "a": "killed", "e": "killed"}


def test_a_single_job_that_was_killed_is_not_run_again(outputs):
    pool = Pool(outputs, {"a": "killed"})
    assert ended(pool, jobs_of(outputs, "a")) == {"a": "killed"}
    assert pool.launches == [["a"]]


def test_what_the_launcher_said_of_a_lost_job_is_told(outputs):
    (job,) = run_jobs(Pool(outputs, {"a": "killed"}), jobs_of(outputs, "a"))
    assert job.reason == "It was killed: RuntimeError: a worker was terminated"


def test_a_launcher_that_begins_nothing_is_told(outputs):
    class Absent:
        def launch(self, job_overrides: Any, initial_job_idx: int) -> None:
            raise RuntimeError('Could not detect "srun"')

    with pytest.raises(SweepError, match="could not run a single job.*srun"):
        run_jobs(Absent(), jobs_of(outputs, "ab"))


class Outside:
    """A job of submitit: the launcher knows it, and it goes on when the launcher has raised."""

    def __init__(self, end: Callable[[], None], error: Exception | None = None) -> None:
        self.end, self.error, self.cancelled = end, error, False

    def wait(self) -> None:
        self.end()

    def exception(self) -> Exception | None:
        return self.error

    def cancel(self, check: bool = True) -> None:
        self.cancelled = True


def submitit(outside: Sequence[Outside]) -> Any:
    """Give a launcher that raises at the first job that died, from a module of submitit's."""
    module = types.ModuleType("hydra_plugins.hydra_submitit_launcher.fake")
    source = (
        "class Launcher:\n"
        "    def launch(self, job_overrides, initial_job_idx):\n"
        "        jobs = outside\n"
        "        raise ValueError('Job 1 has not produced any output (state: OUT_OF_MEMORY)')\n"
    )
    module.__dict__["outside"] = list(outside)
    exec(compile(source, "fake", "exec"), module.__dict__)
    return module.__dict__["Launcher"]()


def test_jobs_that_run_elsewhere_are_waited_for(outputs):
    died = ValueError("Job 1\nhas not produced any output (state: CANCELLED)")
    jobs = jobs_of(outputs, "ab")
    tell(outputs, "a", "running")
    launcher = submitit([Outside(lambda: None, died), Outside(lambda: tell(outputs, "b", "done"))])
    killed, done = run_jobs(launcher, jobs)
    assert (killed.verdict, killed.reason) == ("killed", "It was killed: CANCELLED")
    assert done.verdict == "done"


def test_ctrl_c_cancels_what_runs_elsewhere_also_while_it_is_waited_for(outputs):
    def interrupted() -> None:
        raise KeyboardInterrupt

    outside = [Outside(interrupted), Outside(lambda: None)]
    with pytest.raises(KeyboardInterrupt):
        run_jobs(submitit(outside), jobs_of(outputs, "ab"))
    assert all(job.cancelled for job in outside)

from dataclasses import replace
from threading import Event

import pytest

from pipeline import files
from pipeline.layout import Outputs, Run
from pipeline.manifest import pretty
from pipeline.schema import SelectConfig
from pipeline.sweep import Job, result_file
from pipeline.watch import watched


@pytest.fixture
def jobs(tmp_path):
    outputs = Outputs(tmp_path)
    run = Run(tmp_path / "release" / "variant", outputs)
    return [Job("sweep", n, (f"checkpoint.epoch={n}",), run, SelectConfig("all")) for n in (1, 2)]


def end(job: Job, verdict: str) -> None:
    file = result_file(job.run.outputs, job.sweep, job.overrides)
    file.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(file, pretty({"verdict": verdict, "reason": "", "seconds": 1.0}))


def test_each_job_that_ends_is_told_once(jobs):
    told, heard = list[Job](), Event()

    def hear(job: Job) -> None:
        told.append(job)
        heard.set()

    with watched(jobs, hear):
        end(jobs[1], "failed")
        assert heard.wait(30)
        assert told == [replace(jobs[1], verdict="failed", seconds=1.0)]
        end(jobs[0], "running")
    assert len(told) == 1


def test_what_ended_at_the_last_moment_is_told_too(jobs):
    told: list[Job] = []
    with watched(jobs, told.append):
        end(jobs[0], "done")
    assert [job.number for job in told] == [1]

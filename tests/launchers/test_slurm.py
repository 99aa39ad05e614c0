"""What Slurm does to jobs: cancels them, takes their node away, lets their time run out."""

import os

import pytest

from tests.command import LM
from tests.launchers.sweeps import Held, Sweep, wait_for
from tests.launchers.test_sweeps import released
from tests.slurm import Cluster

pytestmark = [
    pytest.mark.skipif("SLURM" not in os.environ, reason="make slurm: it takes a few minutes"),
    pytest.mark.parametrize("launcher", ["slurm"], indirect=True),
]


def job_of(held: Held, cluster: Cluster) -> str:
    """Give the id of the job whose process is held."""
    with open(f"/proc/{held.pid}/environ", "rb") as file:
        variables = dict(entry.split(b"=", 1) for entry in file.read().split(b"\0") if entry)
    return b"_".join(
        variables[f"SLURM_ARRAY_{part}_ID".encode()] for part in ("JOB", "TASK")
    ).decode()


def state(cluster: Cluster, job: str) -> str:
    """Give how a job is."""
    return cluster.ask("squeue", "--noheader", "--array", f"--jobs={job}", "--format=%T")


def test_a_job_that_is_cancelled_takes_no_other_along(sweep: Sweep, cluster, expected):
    with sweep.held(LM, 1) as held:
        cluster.ask("scancel", job_of(held, cluster))
        done = held.end()

    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 of 4 jobs failed. The others are complete." in done.stderr
    assert "CANCELLED" in done.stdout
    lost = f"{LM}-epoch1-keep"
    assert released(sweep) == {name: sums for name, sums in expected.items() if name != lost}

    again = sweep.run()
    assert again.returncode == 0, again.stdout + again.stderr
    assert released(sweep) == expected


def test_a_job_that_is_preempted_goes_on_where_it_stopped(sweep: Sweep, cluster, expected):
    with sweep.held(LM, 1) as held:
        (run,) = sweep.place.outputs.glob(f"*/{LM}-epoch1-*")
        weights = (run / "export_lm" / "state_dict.bin").stat()
        job = job_of(held, cluster)
        urgent = ("--partition=high", f"--cpus-per-task={cluster.cpus}", "--output=/dev/null")
        held.let_go_again()
        cluster.ask("sbatch", *urgent, "--wrap", "sleep 1")
        wait_for(lambda: state(cluster, job) != "RUNNING", held.driver)
        done = held.end()

    assert done.returncode == 0, done.stdout + done.stderr
    assert released(sweep) == expected
    after = (run / "export_lm" / "state_dict.bin").stat()
    assert (after.st_ino, after.st_mtime_ns) == (weights.st_ino, weights.st_mtime_ns)

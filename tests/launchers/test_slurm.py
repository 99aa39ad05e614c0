"""What Slurm does to jobs: cancels them, takes their node away, lets their time run out."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.command import LM
from tests.launchers.sweeps import Held, wait_for
from tests.launchers.test_sweeps import released, weights
from tests.slurm import Cluster

pytestmark = [
    pytest.mark.skipif("SLURM" not in os.environ, reason="make slurm: it takes a few minutes"),
    pytest.mark.parametrize("launcher", ["slurm"], indirect=True),
]


def job_of(held: Held) -> str:
    """Give the id of the job whose process is held."""
    lines = Path(f"/proc/{held.pid}/environ").read_text().split("\0")
    variables = dict(line.split("=", 1) for line in lines if line)
    return f"{variables['SLURM_ARRAY_JOB_ID']}_{variables['SLURM_ARRAY_TASK_ID']}"


def requeued(cluster: Cluster, job: str) -> bool:
    """Tell whether a job has come to its second life, or waits for it."""
    facts = cluster.ask("scontrol", "--oneliner", "show", "job", job)
    return "Restarts=1 " in facts and "JobState=COMPLETING" not in facts


def test_a_job_that_is_cancelled_takes_no_other_along(sweep, cluster, expected):
    with sweep.held(LM, 1) as held:
        cluster.ask("scancel", job_of(held))
        done = held.end()

    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 of 4 jobs failed. The others are complete." in done.stderr
    assert "killed" in done.stdout
    lost = f"{LM}-epoch1-keep"
    assert released(sweep) == {name: sums for name, sums in expected.items() if name != lost}

    again = sweep.run()
    assert again.returncode == 0, again.stdout + again.stderr
    assert released(sweep) == expected


@pytest.mark.parametrize("partition", ["low", "warned"])
def test_a_job_that_is_preempted_goes_on_where_it_stopped(sweep, cluster, expected, partition):
    sweep = replace(sweep, options=(f"hydra.launcher.partition={partition}",))
    with sweep.held(LM, 1) as held:
        before, job = weights(sweep), job_of(held)
        urgent = ("--partition=high", f"--cpus-per-task={cluster.cpus}", "--output=/dev/null")
        cluster.ask("sbatch", *urgent, "--wrap", "sleep 1")
        wait_for(lambda: requeued(cluster, job), held.driver)
        held.let_go()
        done = held.end()

    assert done.returncode == 0, done.stdout + done.stderr
    assert weights(sweep) == before
    assert released(sweep) == expected


# Slurm sends the signal up to a minute before it is asked to.
SHORT = ("hydra.launcher.timeout_min=2", "hydra.launcher.signal_delay_s=55")


def test_a_job_whose_time_is_over_goes_on_where_it_stopped(sweep, cluster, expected):
    sweep = replace(sweep, options=SHORT)
    with sweep.held(LM, 1) as held:
        before, job = weights(sweep), job_of(held)
        wait_for(lambda: requeued(cluster, job), held.driver)
        held.let_go()
        done = held.end()

    assert done.returncode == 0, done.stdout + done.stderr
    assert weights(sweep) == before
    assert released(sweep) == expected


def test_a_job_whose_time_is_over_for_the_last_time_says_so(sweep, expected):
    sweep = replace(sweep, options=(*SHORT, "hydra.launcher.max_num_timeout=0"))
    with sweep.held(LM, 1) as held:
        done = held.end()

    assert done.returncode == 1, done.stdout + done.stderr
    assert "Its time was over" in done.stdout and "hydra.launcher.timeout_min" in done.stdout
    assert len(released(sweep)) == len(expected) - 1

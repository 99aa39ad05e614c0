"""The cluster comes up, tells the truth about its jobs, and leaves nothing behind."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm import Cluster, missing, running

pytest.importorskip("submitit")
if reason := missing():
    pytest.skip(reason, allow_module_level=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running(cpus=2) as cluster:
        yield cluster


def states(cluster: Cluster, *jobs: str) -> dict[str, str]:
    """Give what submitit makes of the answer for jobs."""
    from submitit.slurm.slurm import SlurmInfoWatcher

    asked = [argument for job in jobs for argument in ("-j", job)]
    answer = cluster.ask("sacct", "-o", "JobID,State,NodeList", "--parsable2", *asked)
    return {job: row["State"] for job, row in SlurmInfoWatcher().read_info(answer).items()}


def submit(cluster: Cluster, *arguments: str) -> str:
    return cluster.ask("sbatch", "--parsable", "--output=/dev/null", "--mem=100M", *arguments)


def test_a_program_runs_on_its_node(cluster):
    assert cluster.ask("srun", "--mem=100M", "echo", "here") == "here"


def test_two_clusters_do_not_know_of_each_other(cluster):
    with running() as other:
        job = submit(other, "--wrap", "sleep 60")
        assert [line.split()[0] for line in other.jobs()] == [job]
        assert not cluster.jobs()
    assert not other.folder.exists()
    assert not running_below(other.folder)
    assert cluster.ask("srun", "--mem=100M", "echo", "here") == "here"


def running_below(folder: Path) -> list[str]:
    """Give the processes that have a folder in their command line."""
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in found.stdout.splitlines() if str(folder) in line]


def test_sacct_tells_of_jobs_that_run_wait_and_have_ended(cluster):
    tasks = [number**2 for number in range(30)]  # no range: a list too long for a line of Slurm's
    job = submit(cluster, f"--array={','.join(map(str, tasks))}%1", "--wrap", "sleep 60")
    while "RUNNING" not in cluster.ask("squeue", "--noheader", f"--jobs={job}", "--format=%T"):
        pass
    told = states(cluster, job)
    assert told[f"{job}_0"] == "RUNNING"
    assert {told[f"{job}_{task}"] for task in tasks[1:]} == {"PENDING"}
    cluster.ask("scancel", job)
    while cluster.jobs():
        pass
    assert states(cluster, job)[f"{job}_0"] == "CANCELLED"


def test_sacct_counts_what_the_controller_has_forgotten_as_ended(cluster):
    assert states(cluster, "4711")["4711"] == states(cluster, "4711")["4711_12"] == "COMPLETED"


def test_sacct_has_no_answer_without_the_controller(cluster):
    conf = cluster.folder / "elsewhere.conf"
    text = cluster.conf.read_text()
    conf.write_text(
        text.replace("SlurmctldPort=", "SlurmctldTimeout=2\nMessageTimeout=2\nSlurmctldPort=1")
    )
    done = subprocess.run(
        ["sacct", "--parsable2", "-j", "1"], capture_output=True, text=True,
        env=cluster.environment | {"SLURM_CONF": str(conf)},
    )  # fmt: skip
    assert done.returncode != 0 and "COMPLETED" not in done.stdout

"""docs/clusters.md as it stands: both halves of a release, each where it can run."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.command import LM, ROOT, Place, check_sums, environment
from tests.hub import Hub

TEXT = (ROOT / "docs" / "clusters.md").read_text("utf-8")
CLOSED = "http://127.0.0.1:9"
"""An address where nobody answers."""
REPO = "lab/musicgen-mine"
WEIGHTS = ("compression_state_dict.bin", "state_dict.bin")


def section(title: str, language: str = "shell") -> list[str]:
    """Give the blocks of a section."""
    (found,) = re.findall(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.M)
    return re.findall(rf"^```{language}\n(.*?)^```$", found, re.DOTALL | re.M)


def here(block: str, place: Path) -> str:
    """Put a place, and what is in it, where the document has examples."""
    return block.replace("/shared", str(place)).replace("9370b59c", LM).replace("my-lab/", "lab/")


def run(block: str, place: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a block as a person does who has only these variables set."""
    env = environment(**variables)
    reads = os.pathsep.join([str(ROOT / "tests" / "reads"), env["PYTHONPATH"]])
    path = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])
    return subprocess.run(
        ["bash", "-euc", here(block, place)], cwd=place, capture_output=True, text=True,
        env={**env, "PYTHONPATH": reads, "PATH": path, "READS": str(place / "reads.log")},
    )  # fmt: skip


def log(place: Path) -> list[str]:
    """Give what has been read and asked since the last time."""
    path = place / "reads.log"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def readers(place: Path) -> Counter[tuple[str, str]]:
    """Give who has read weights since the last time, and how often."""
    lines = [line.split(" ") for line in log(place) if line.startswith("read ")]
    return Counter((Path(path).name, reader) for _, path, reader in lines)


@pytest.fixture
def shared(place: Place) -> Path:
    """A shared disk with an experiment and the request."""
    (name,) = re.findall(r"`/shared/(config/release/\w+\.yaml)`", TEXT)
    (request,) = section("One request for both", "yaml")
    (place.root / name).parent.mkdir(parents=True)
    (place.root / name).write_text(here(request, place.root))
    return place.root


@pytest.fixture
def packaged(shared: Path) -> Path:
    """The same after the first half."""
    (job,) = section("On a compute node")
    done = run(job, shared, HF_ENDPOINT=CLOSED, HF_TOKEN_PATH=os.devnull)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "push" not in done.stdout.replace(str(shared), "")
    check_sums(Place(shared).release())
    return shared


def test_the_first_half_connects_to_nothing(packaged):
    lines = log(packaged)
    assert any(line.startswith("read ") for line in lines), "is the watch still working?"
    assert not [line for line in lines if line.startswith("connect ")]


def test_the_second_half_reads_the_weights_to_send_them_and_for_nothing_else(packaged, hub):
    log(packaged)
    (packaged / "dora").rename(packaged / "elsewhere")
    look, push = section("On the login node")

    done = run(look, packaged, **hub.environment("write"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{REPO} will be made, private" in done.stdout
    assert not hub.store.repo(REPO).exists and not readers(packaged)

    done = run(push, packaged, **hub.environment("write"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "5 of 5 files are new or changed" in done.stdout
        and "nothing has changed" not in done.stdout
    )
    sent = {(name, "hub/uploading.py"): 1 for name in WEIGHTS}
    looked_at = {(name, "huggingface_hub/lfs.py"): 1 for name in WEIGHTS}  # the first 512 bytes
    assert readers(packaged) == sent | looked_at
    _demand_published(hub, packaged)

    done = run(push, packaged, **hub.environment("write"))
    assert done.returncode == 0 and "unchanged" in done.stdout
    assert not readers(packaged)


def test_a_copy_of_the_outputs_is_hashed_and_serves_too(packaged, hub, tmp_path_factory):
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(packaged / "outputs", copy / "outputs", symlinks=True)
    shutil.copytree(packaged / "config", copy / "config")
    request = copy / "config" / "release" / "mine.yaml"
    request.write_text(request.read_text().replace(f"{packaged}/outputs", f"{copy}/outputs"))
    _, push = section("On the login node")

    done = run(push, copy, **hub.environment("write"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert ("state_dict.bin", "pipeline/files.py") in readers(copy)
    _demand_published(hub, packaged)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
        ({"HF_TOKEN": ""}, "There is no Hub token"),
    ],
    ids=["offline", "no token"],
)
def test_a_second_half_that_may_not_ask_the_hub_says_why(shared, hub, variables, said):
    look, _ = section("On the login node")
    done = run(look, shared, **hub.environment("write") | variables)
    assert done.returncode == 1
    assert said in done.stderr and len(done.stderr.splitlines()) <= 3


def test_a_proxy_is_asked(shared, hub):
    look, _ = section("On the login node")
    proxied = {"HF_ENDPOINT": "http://hub.example.org", "HTTP_PROXY": hub.endpoint, "no_proxy": ""}
    done = run(look, shared, **hub.environment("write") | proxied)
    assert done.returncode == 1  # this proxy passes nothing on
    assert hub.requests[0].path == "http://hub.example.org/api/whoami-v2"


def test_the_second_half_alone_names_the_first(shared, hub):
    _, push = section("On the login node")
    done = run(push, shared, **hub.environment("write"))
    assert done.returncode == 1
    assert "until_stage=package" in done.stderr and len(done.stderr.splitlines()) <= 3


def test_a_release_waits_for_the_training(shared, cluster):
    (job,) = section("After training, as a job that waits")
    training = cluster.ask("sbatch", "--parsable", "--output=/dev/null", "--wrap", "sleep 1")
    done = run(job, shared, **cluster.environment, TRAINING=training)
    assert done.returncode == 0, done.stdout + done.stderr
    while cluster.jobs():
        time.sleep(0.1)
    check_sums(Place(shared).release())


def test_a_sweep_is_an_array_of_jobs(shared, cluster):
    pytest.importorskip("submitit")
    _, sweep = section("A sweep as an array of jobs")
    done = run(sweep, shared, **cluster.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(Place(shared).releases()) == 2
    assert not (shared / "outputs" / "hub").exists()


def _demand_published(hub: Hub, place: Path) -> None:
    repo = hub.store.repo(REPO)
    (release,) = place.glob("outputs/*/*/release")
    files = {path.name: path.read_bytes() for path in release.iterdir()}
    held = repo.find("v1.0.0").files
    assert {name: repo.content(held[name]).read_bytes() for name in files} == files
    assert set(held) == {*files, ".gitattributes"}

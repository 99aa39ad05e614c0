import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session, constants
from hypothesis import HealthCheck, settings

from tests import slurm
from tests.command import Place, make_place
from tests.hub import Hub, serve

# xdist sets it, by which lines would be broken that are whole in a file or a pipe.
os.environ.pop("COLUMNS", None)

# A busy machine is not a failure.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with an LM experiment, its codec, and nothing released yet."""
    return make_place(tmp_path)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A Hugging Face Hub of our own, without a repository."""
    with serve(tmp_path / "hub") as running:
        yield running


@pytest.fixture
def logged_in(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The client of this process as a person has it who is logged in as ada."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("HF_TOKEN", hub.tokens["write"])
    close_session()
    yield
    close_session()


@pytest.fixture(scope="session")
def cluster() -> Iterator[slurm.Cluster]:
    """A Slurm of one node; skips where none can be started."""
    if reason := slurm.missing():
        pytest.skip(reason)
    with slurm.running() as running:
        yield running


@pytest.fixture
def ugly(tmp_path: Path) -> Path:
    """A folder whose name has all that breaks careless code."""
    folder = tmp_path / 'it\'s a "día" ünï [1] $HOME {x}'
    folder.mkdir()
    return folder

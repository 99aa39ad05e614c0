"""Dora's grids, as a real ``dora grid`` leaves them."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from stages.common.grids import grids_in, signatures_of
from tests.command import environment

TRAIN = """
import argparse
from dora import argparse_main

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)

@argparse_main(dir="./outputs", parser=parser)
def main():
    pass
"""
EXPLORER = """
from dora import Explorer

@Explorer
def explorer(launcher):
    for lr in ({rates}):
        launcher(lr=lr)
"""
SIGNATURES = """
from tiny.train import main
print(*(main.get_xp([f"--lr={lr}"]).sig for lr in (0.2, 0.3, 0.4)))
"""


class Package:
    """A training package with grids, and its Dora folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.dora = root, root / "outputs"
        (root / "tiny/grids/wide").mkdir(parents=True)
        (root / "tiny/train.py").write_text(TRAIN)
        self.define("rates", 0.2, 0.3)
        self.define("wide/more", 0.4)

    def define(self, name: str, *rates: float) -> None:
        text = EXPLORER.format(rates=", ".join(f"{rate}" for rate in rates) + ",")
        (self.root / f"tiny/grids/{name}.py").write_text(text)
        for folder in ("tiny", "tiny/grids", "tiny/grids/wide"):
            (self.root / folder / "__init__.py").touch()

    def run(self, *arguments: str) -> str:
        env = environment(PYTHONDONTWRITEBYTECODE="1")
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def grid(self, *arguments: str) -> None:
        """Launch a grid; with --cancel Dora does all but to ask Slurm for the jobs."""
        self.run("-m", "dora", "-P", "tiny", "grid", "--no_monitoring", "--cancel", *arguments)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    package = Package(tmp_path_factory.mktemp('it\'s a "Döra" package'))
    package.grid("rates")
    package.grid("wide.more")
    return package


@pytest.fixture(scope="module")
def signatures(package):
    return package.run("-c", SIGNATURES).split()


def test_the_experiments_of_a_grid_are_those_that_dora_launched(package, signatures):
    assert grids_in(package.dora) == ("rates", "wide.more")
    assert signatures_of(package.dora, "rates") == tuple(sorted(signatures[:2]))
    assert signatures_of(package.dora, "wide.more") == tuple(signatures[2:])


def test_a_grid_that_was_moved_is_the_same(package, tmp_path, signatures):
    moved = tmp_path / "moved"
    (moved / "grids" / "rates").mkdir(parents=True)
    for link in (package.dora / "grids" / "rates").iterdir():
        (moved / "grids" / "rates" / link.name).symlink_to("/nowhere/xps" / Path(link.name))
    (moved / "grids" / "rates" / ".DS_Store").touch()
    assert signatures_of(moved, "rates") == tuple(sorted(signatures[:2]))


def test_a_grid_that_is_not_there_names_those_that_are(package):
    with pytest.raises(SourceError, match=r"There is no grid rate\.") as refused:
        signatures_of(package.dora, "rate")
    assert refused.value.where == str(package.dora / "grids")
    assert refused.value.hint == "Did you mean rates?"
    with pytest.raises(SourceError, match=r"There are rates, wide\.more\."):
        signatures_of(package.dora, "xyz")


@pytest.mark.parametrize("name", ["", ".", "..", "../grids/rates", "/etc", "rates/../rates"])
def test_a_name_leads_nowhere_else(package, name):
    with pytest.raises(SourceError, match="There is no grid"):
        signatures_of(package.dora, name)


def test_what_was_never_launched_says_how(tmp_path):
    with pytest.raises(SourceError, match="dora grid NAME leaves one"):
        signatures_of(tmp_path, "rates")
    (tmp_path / "grids" / "rates").mkdir(parents=True)
    with pytest.raises(SourceError, match="Launch it: dora grid rates"):
        signatures_of(tmp_path, "rates")
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "grids").touch()
    assert grids_in(tmp_path / "file") == ()

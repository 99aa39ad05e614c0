"""A training package that lives in another Python environment than the pipeline."""

import os
import shlex
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from pipeline.layout import Outputs
from pipeline.schema import CheckpointConfig
from stages.train import Train
from stages.train.packages import problem_with
from stages.train.process import Program
from stages.train.request import Request
from tests.toy import write_toy
from tests.train_stage import context

FINDER = """
import sys
from importlib.machinery import PathFinder


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, [{place!r}]) if name == "toy" else None


sys.meta_path.append(Finder)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an empty environment."""
    folder = tmp_path_factory.mktemp("other")
    venv.create(folder, symlinks=True)
    return folder / "bin" / "python"


def packages(python: Path) -> Path:
    (folder,) = python.parents[1].glob("lib/python*/site-packages")
    return folder


def request(python: Path | str, *overrides: str) -> Train:
    config = CheckpointConfig(
        kind="train", package="toy", python=str(python), overrides=list(overrides)
    )
    return Train(config)


@pytest.fixture
def installed(python: Path) -> Path:
    """That interpreter, with the toy among its packages."""
    if not (packages(python) / "toy").exists():
        write_toy(packages(python))
    return python


def test_a_package_of_another_environment_is_trained_by_its_interpreter(installed, tmp_path):
    stage = request(installed)
    ctx = context(tmp_path)
    assert stage.check(ctx) == []
    record = stage.run(ctx)
    experiment = Outputs(tmp_path).dora / "xps" / record.facts["signature"]
    assert (experiment / "checkpoint.th").read_text() == "epoch 2"


def test_it_is_the_same_request_whichever_interpreter_trains_it(installed, tmp_path):
    stages = [request(installed), Train(CheckpointConfig(kind="train", package="toy"))]
    one, other = (stage.key(context(tmp_path)) for stage in stages)
    assert one == other


def test_a_package_that_only_the_other_environment_s_finder_knows_is_found(tmp_path):
    venv.create(tmp_path / "editable", symlinks=True)
    python = tmp_path / "editable/bin/python"
    write_toy(tmp_path / "checkout")
    finder = FINDER.format(place=str(tmp_path / "checkout"))
    (packages(python) / "finder.py").write_text(finder)
    (packages(python) / "finder.pth").write_text("import finder\n")
    assert problem_with("toy", tmp_path, python) is None


def test_a_package_that_is_only_here_is_missing_there(python, tmp_path):
    problem = problem_with("hydra", tmp_path, python)
    assert problem is not None
    assert problem.what == "There is no Python package hydra."
    assert problem.where.endswith(f"the packages of {python}")


def test_a_misspelt_package_of_the_other_environment_gets_a_near_name(installed, tmp_path):
    problem = problem_with("toyy", tmp_path, installed)
    assert problem is not None
    assert problem.hint == "Did you mean toy?"


def test_a_package_in_the_working_directory_is_found_by_the_other_interpreter_too(python, tmp_path):
    write_toy(tmp_path, "here")
    assert problem_with("here", tmp_path, python) is None


@pytest.mark.parametrize("what", ["absent", "no program", "no python", "fails"])
def test_what_does_not_run_as_a_python_is_refused(what, tmp_path):
    path = tmp_path / "python"
    if what == "no program":
        path.write_text("text")
    elif what != "absent":
        path.write_text({"no python": "#!/bin/sh\necho 5\n", "fails": "#!/bin/sh\nexit 3\n"}[what])
        path.chmod(0o755)
    (problem,) = request(path).check(context(tmp_path))
    assert "does not run as a Python" in problem.what
    assert problem.where == "checkpoint.python"


def test_an_interpreter_can_be_named_as_in_a_shell(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "their python"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    for name in ("their python", "bin/their python", str(program)):
        asked = Request.of(CheckpointConfig(kind="train", package="toy", python=name))
        assert asked is not None and asked.python == program


def test_the_programs_beside_the_interpreter_come_first(installed, tmp_path):
    program = installed.parent / "only-there"
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o755)
    variables = Program(Request("toy", (), Path.cwd(), installed), tmp_path).environment
    found = subprocess.run(["only-there"], env=variables, capture_output=True, check=True)
    assert found.stdout == b"found\n"

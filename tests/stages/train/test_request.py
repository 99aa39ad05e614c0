import shutil
from pathlib import Path

import pytest

from pipeline.schema import CheckpointConfig
from stages.train.request import Request, problem_in, sources_digest
from tests.miniature import ROOT, config_of


def test_the_miniature_is_trained_under_a_label_of_its_code():
    request = Request.of(CheckpointConfig(kind="miniature"))
    assert request is not None
    assert request.package == "stages.miniature"
    digest = sources_digest(ROOT / "stages/miniature")
    assert request.overrides == (f"label=miniature-{digest[:8]}",)
    assert request.epochs == config_of().optim.epochs
    assert request.folder == ROOT


def test_the_miniature_s_codec_comes_first_and_has_a_signature_of_its_own():
    request = Request.of(CheckpointConfig(kind="miniature"))
    assert request is not None and request.codec is not None
    assert request.codec.overrides == (*request.overrides, "solver=compression")
    assert request.codec.epochs == config_of("solver=compression").optim.epochs
    assert (request.name, request.codec.name) == (
        "stages.miniature", "the codec of stages.miniature",
    )  # fmt: skip
    on = request.on("1234e567")
    assert on.codec is None
    assert on.overrides == (*request.overrides, "compression_model_checkpoint=//sig/1234e567")
    assert on.problems() == []


@pytest.mark.parametrize("name", ["model.py", "config/solver/compression.yaml"])
def test_a_change_in_code_or_config_changes_the_label(name, tmp_path):
    copy = Path(shutil.copytree(ROOT / "stages/miniature", tmp_path / "miniature"))
    before = sources_digest(copy)
    assert before == sources_digest(ROOT / "stages/miniature")
    with (copy / name).open("a") as file:
        file.write("# changed\n")
    assert sources_digest(copy) != before


def test_compiled_code_does_not_count(tmp_path):
    (tmp_path / "a.py").touch()
    before = sources_digest(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/a.cpython-311.pyc").touch()
    assert sources_digest(tmp_path) == before


@pytest.mark.parametrize(
    ("overrides", "epochs"),
    [([], None), (["optim.epochs=4"], 4), (["optim.epochs=4", "optim.epochs=5"], 5),
     (["optim.epochs=${x}"], None)],
)  # fmt: skip
def test_epochs_are_read_from_the_overrides(overrides, epochs):
    config = CheckpointConfig(kind="train", package="toy", overrides=overrides)
    request = Request.of(config)
    assert request is not None and request.epochs == epochs


@pytest.mark.parametrize(
    "override", ["a=1", "solver=musicgen/base", "a.b=[1,2]", "+a={b: 1}", "a='x y'", "a="]
)
def test_overrides_that_can_be_read(override):
    assert problem_in(override) is None


@pytest.mark.parametrize(
    ("override", "words"),
    [("oops", "cannot be read"), ("a=[1", "cannot be read"), ("", "cannot be read"),
     ("-m", "cannot be read"), ("a=1,2", "no sweep"), ("~a", "no deletion"),
     ("dora.dir=/x", "does not move"), ("hydra.run.dir=x", "does not move")],
)  # fmt: skip
def test_overrides_that_cannot(override, words):
    problem = problem_in(override)
    assert problem is not None
    assert words in problem.what
    assert override in problem.where

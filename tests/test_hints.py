"""Hints that hold a path: what is pasted from them is taken for that path, whatever is in it."""

import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from pipeline.errors import PipelineError
from pipeline.layout import ALL_IN_ONE, STATE_DICT, Outputs
from pipeline.schema import CardConfig
from pipeline.unpack import unpack
from stages.collect import Collect
from stages.common.experiments import Experiment, find_experiment
from stages.common.inspection import Question
from stages.common.inspector import inspect
from stages.common.own_card import Wishes
from stages.export_compression import ExportCompression
from tests.experiments import write_encodec_experiment, write_lm_experiment
from tests.exports import Bench, collected, compression, export, request

LM, CODEC = "1a2b3c4d", "98dabcc6"


def pasted(hint: str, key: str) -> object:
    """Give what the shell and Hydra make of ``KEY=VALUE`` in a hint."""
    start = hint.index(f"{key}=")
    start -= hint[start - 1] == "'"
    words = shlex.shlex(hint[start:], posix=True, punctuation_chars=False)
    words.whitespace_split, words.commenters = True, ""
    typed = str(words.get_token()).removesuffix("?")
    parsed = OverridesParser.create().parse_override(typed)
    return OmegaConf.create({"value": parsed.value()}).value


def refused(call, *arguments: object) -> str:
    with pytest.raises(PipelineError) as caught:
        call(*arguments)
    return caught.value.hint


def ask(what: object, dora: Path | None = None):
    return inspect(Question(str(what), dora, Outputs(Path("none"))))


@pytest.fixture
def other(ugly: Path) -> Path:
    """A checkpoint in the folder of another experiment."""
    (ugly / "xps" / LM).mkdir(parents=True)
    path = write_encodec_experiment(ugly, CODEC, epochs=1) / "checkpoint.th"
    return path.rename(ugly / "xps" / LM / "checkpoint.th")


def test_the_checkpoint_of_another_experiment(tmp_path, ugly, other):
    stage = Collect(request("dora", sig=LM, dora_dir=str(ugly)))
    (problem,) = Bench.at(tmp_path).check(stage)
    assert pasted(problem.hint, "checkpoint.path") == str(other)
    (told, *_) = ask(LM, ugly).remarks
    assert pasted(told.remedy, "checkpoint.path") == str(other)


def test_one_of_two_last_checkpoints(ugly, other):
    other.with_name("checkpoint.th.old").touch()
    hint = refused(Experiment(ugly, LM).checkpoint, None)
    assert pasted(hint, "checkpoint.path") == str(other)


def test_the_folder_above_that_of_the_experiments(ugly, other):
    hint = refused(find_experiment, ugly / "xps", LM, "compression")
    assert pasted(hint, "compression.dora_dir") == str(ugly)
    hint = refused(ask, LM, ugly / "xps").removesuffix("?")
    assert shlex.split(hint)[-2:] == ["--dora-dir", str(ugly)]


def test_a_card(ugly):
    (ugly / "MYCARD.md").touch()
    hint = refused(Wishes.read, CardConfig(path=str(ugly / "MYCRAD.md")))
    assert pasted(hint, "card.path") == str(ugly / "MYCARD.md")


def test_a_file_to_unpack(ugly):
    (ugly / ALL_IN_ONE).touch()
    (ugly / STATE_DICT).touch()
    *_, source, folder = shlex.split(refused(unpack, ugly / ALL_IN_ONE))
    assert (source, folder) == (str(ugly / ALL_IN_ONE), "FOLDER")


def test_a_codec(tmp_path, ugly, other):
    lm = write_lm_experiment(tmp_path, LM, epochs=1) / "checkpoint.th"
    bench = collected(tmp_path, "file", path=str(lm))
    for config, key in (
        (compression("bundle", source=str(other)), "compression.path"),
        (compression("reference", pretrained=str(other)), "compression.source"),
        (compression("reference", pretrained=str(other)), "compression.path"),
    ):
        (problem,) = bench.check(ExportCompression(config, export()))
        assert pasted(problem.hint, key) == str(other)

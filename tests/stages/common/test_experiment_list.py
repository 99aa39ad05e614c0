"""The list of experiments: filtered, sorted, and never ended by one of them."""

import json

import pytest

from pipeline.errors import ConfigError, SourceError
from pipeline.layout import Outputs
from stages.common.experiment_list import list_experiments
from tests.experiments import write_encodec_experiment, write_lm_experiment

FIRST, LONG, CODEC, BAD = "11111111", "22222222", "98dabcc6", "eeeeeeee"


@pytest.fixture(scope="module")
def dora(tmp_path_factory):
    folder = tmp_path_factory.mktemp('it\'s a "Döra" folder')
    write_lm_experiment(folder, FIRST, epochs=2, save_every=False)
    write_lm_experiment(folder, LONG, epochs=4, dim=32, save_every=False)
    write_encodec_experiment(folder, CODEC, epochs=1, save_every=False)
    (folder / "xps" / BAD / ".hydra").mkdir(parents=True)
    (folder / "xps" / BAD / ".hydra" / "config.yaml").write_text("[")
    history = [{"valid": {"ce": float("nan")}, "evaluate": {"fad": 2.0}}]
    (folder / "xps" / BAD / "history.json").write_text(json.dumps(history))
    (folder / "xps" / "no signature").mkdir()
    (folder / "xps" / "33333333").touch()
    return folder


@pytest.fixture
def listed(dora, tmp_path):
    def ask(**asked):
        found = list_experiments(dora, Outputs(tmp_path / "outputs"), **asked)
        assert found.total == 4
        return [one.signature for one in found.experiments]

    return ask


def test_by_signature_unless_something_else_is_asked_for(listed):
    assert listed() == [FIRST, LONG, CODEC, BAD]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("epochs", [CODEC, BAD, FIRST, LONG]),
        ("-epochs", [LONG, FIRST, CODEC, BAD]),
        ("best", [LONG, FIRST, CODEC, BAD]),  # NaN and none at all are last either way
        ("-best", [FIRST, LONG, CODEC, BAD]),
        ("valid.ce", [LONG, FIRST, CODEC, BAD]),
        ("size", [FIRST, CODEC, LONG, BAD]),
        ("solver", [CODEC, FIRST, LONG, BAD]),
        ("-complete", [FIRST, LONG, CODEC, BAD]),
        ("-signature", [BAD, CODEC, LONG, FIRST]),
        ("codec", [FIRST, LONG, CODEC, BAD]),
    ],
)
def test_sorted_by_any_value(listed, key, expected):
    assert listed(sort=key) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("valid.ce < 3.5", [LONG]),
        ("valid.ce < 5 and epochs == 2", [FIRST]),
        ("not valid.ce < 5", [CODEC, BAD]),
        ('solver == "compression" or size > 10e3 and not released', [FIRST, LONG, CODEC]),
        ('progress == "damaged"', [BAD]),
        ("complete and codec", [FIRST, LONG]),
        ('signature == "98dabcc6"', [CODEC]),
    ],
)
def test_filtered_by_any_condition(listed, condition, expected):
    assert listed(where=condition) == expected


def test_filtered_and_sorted(listed):
    assert listed(where="complete", sort="-best_epoch") == [LONG, FIRST, CODEC]


@pytest.mark.parametrize(
    "asked", [{"where": "valid.cee < 3"}, {"sort": "valid.cee"}, {"sort": "-valid.cee"}]
)
def test_a_value_that_none_has_is_told_with_those_that_are_near(listed, asked):
    with pytest.raises(ConfigError, match=r"nothing has a value valid\.cee\.") as refused:
        listed(**asked)
    assert "Did you mean valid.ce" in refused.value.hint


def test_a_value_near_none_is_told_with_what_there_is(listed):
    with pytest.raises(ConfigError, match=r"Known: signature, solver, size, .*, \.\.\.$"):
        listed(sort="xyz")


def test_a_condition_is_wrong_whether_or_not_there_are_experiments(tmp_path):
    (tmp_path / "xps").mkdir()
    outputs = Outputs(tmp_path)
    assert list_experiments(tmp_path, outputs, "epochs > 3", "-epochs").experiments == ()
    with pytest.raises(ConfigError, match="--where is no condition"):
        list_experiments(tmp_path, outputs, "epochs = 3")


class TestFolder:
    """The folder that is meant."""

    def test_of_the_experiments_or_above_it(self, dora, tmp_path):
        outputs = Outputs(tmp_path)
        for path in (dora, dora / "xps"):
            assert list_experiments(path, outputs).dora_dir == dora

    def test_that_of_the_runs_where_none_is_given(self, tmp_path):
        write_lm_experiment(tmp_path / "outputs" / "dora", FIRST, save_every=False)
        found = list_experiments(None, Outputs(tmp_path / "outputs"))
        assert [one.signature for one in found.experiments] == [FIRST]
        with pytest.raises(SourceError, match="AUDIOCRAFT_DORA_DIR is not set"):
            list_experiments(None, Outputs(tmp_path))

    def test_not_there(self, dora, tmp_path):
        outputs = Outputs(tmp_path)
        with pytest.raises(SourceError, match="There is no such folder"):
            list_experiments(tmp_path / "none", outputs)
        with pytest.raises(SourceError, match="no xps folder in it"):
            list_experiments(tmp_path, outputs)
        with pytest.raises(SourceError) as refused:
            list_experiments(dora / "xps" / FIRST, outputs)
        assert refused.value.hint == f"Did you mean {dora}?"

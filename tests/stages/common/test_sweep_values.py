import json
import math

import pytest

from pipeline.errors import ConfigError, FormatError, SourceError
from stages.common.sweep_values import Choice, Question, answer, is_rule
from tests.experiments import write_encodec_experiment, write_lm_experiment

LM = "1a2b3c4d"


@pytest.fixture(scope="module")
def dora(tmp_path_factory):
    """An experiment of six epochs, whose valid.ce is 4, 3, 2, 1, 0, 9."""
    folder = tmp_path_factory.mktemp("dora")
    write_lm_experiment(folder, LM, epochs=6)
    write_encodec_experiment(folder)
    return folder


def asked(dora, **changes):
    question = {"sig": f"//sig/{LM}", "epoch": None, "where": None, "metric": "valid.ce"}
    return Question(**{"dora_dir": dora, "mode": "min", "solver": None, **question, **changes})


def epochs(dora, **changes):
    return [choice.epoch for choice in answer(asked(dora, **changes)).choices]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("all", [1, 2, 3, 4, 5, 6]),
        ("best:2", [4, 5]),
        ("best:99", [1, 2, 3, 4, 5, 6]),
        ("last:2", [5, 6]),
        ("every:3", [3, 6]),
        (None, [None]),
        (3, [3]),
    ],
)
def test_a_rule_stands_for_the_epochs_that_are_on_disk(dora, rule, expected):
    assert epochs(dora, epoch=rule) == expected


def test_the_best_may_be_those_with_the_most(dora):
    assert epochs(dora, epoch="best:2", mode="max") == [1, 6]


def test_a_condition_comes_before_a_rule(dora):
    where = "valid.ce >= 2 and epoch < 6"
    assert epochs(dora, where=where) == [1, 2, 3]
    assert epochs(dora, where=where, epoch="best:1") == [3]
    assert epochs(dora, where=where, epoch=2) == [2]


def test_a_choice_tells_what_it_was_ranked_by(dora):
    assert answer(asked(dora, epoch="best:1")).choices == [Choice(LM, 5, 0.0)]


def test_what_nothing_has_is_named(dora):
    with pytest.raises(ConfigError, match=r"Did you mean valid\.ce"):
        answer(asked(dora, where="valid.ec < 3"))
    with pytest.raises(SourceError, match=r"metric valid\.fad"):
        answer(asked(dora, epoch="best:1", metric="valid.fad"))


def test_nothing_left_is_said(dora):
    found = answer(asked(dora, where="epoch > 6"))
    assert found.choices == [] and "no epoch is left of checkpoint.where" in found.notes[0]


def test_a_last_file_that_is_damaged_leaves_the_others(tmp_path):
    folder = write_lm_experiment(tmp_path, LM, epochs=3)
    (folder / "checkpoint.th").write_bytes(b"PK\x03\x04 cut off")
    found = answer(asked(tmp_path, epoch="all"))
    assert [choice.epoch for choice in found.choices] == [1, 2]
    assert "its last file is left out" in found.notes[0]


def test_an_epoch_whose_metric_is_nan_is_never_the_best(tmp_path):
    folder = write_lm_experiment(tmp_path, LM, epochs=3)
    history = json.loads((folder / "history.json").read_text())
    history[0]["valid"]["ce"] = math.nan
    (folder / "history.json").write_text(json.dumps(history))
    assert epochs(tmp_path, epoch="best:3") == [2, 3]


def test_an_epoch_whose_metric_is_infinite_is_never_the_best(tmp_path):
    folder = write_lm_experiment(tmp_path, LM, epochs=3)
    history = json.loads((folder / "history.json").read_text())
    history[0]["valid"]["ce"] = math.inf
    (folder / "history.json").write_text(json.dumps(history))
    assert epochs(tmp_path, epoch="best:1", mode="max") == [3]


def test_ties_go_to_the_earliest_epoch(tmp_path):
    folder = write_lm_experiment(tmp_path, LM, epochs=3)
    history = json.loads((folder / "history.json").read_text())
    for epoch in history:
        epoch["valid"]["ce"] = 1.0
    (folder / "history.json").write_text(json.dumps(history))
    assert epochs(tmp_path, epoch="best:1") == [1]


def test_an_epoch_without_a_checkpoint_does_not_count(tmp_path):
    write_lm_experiment(tmp_path, LM, epochs=5, save_every=False)
    assert epochs(tmp_path, epoch="all") == [5]


def test_all_experiments_are_those_of_the_releases_solver(dora):
    found = answer(asked(dora, sig="all", solver="musicgen"))
    assert [choice.sig for choice in found.choices] == [LM]
    assert found.notes == ["1 of solver compression left out: the release is of musicgen"]
    assert len(answer(asked(dora, sig="all")).choices) == 2


def test_a_damaged_experiment_is_left_out_of_many_and_named(tmp_path):
    write_lm_experiment(tmp_path, LM, epochs=1)
    other = write_lm_experiment(tmp_path, "2b3c4d5e", epochs=1)
    (other / "checkpoint.th").write_bytes(b"PK\x03\x04 cut off")
    found = answer(asked(tmp_path, sig="all", epoch="all"))
    assert [choice.sig for choice in found.choices] == [LM]
    assert "2b3c4d5e is left out" in found.notes[0]
    with pytest.raises(FormatError):
        answer(asked(tmp_path, sig="//sig/2b3c4d5e", epoch="all"))


def test_fewer_epochs_than_asked_for_are_said(dora):
    assert answer(asked(dora, epoch="best:2")).notes == []
    assert answer(asked(dora, epoch="all")).notes == []
    said = [answer(asked(dora, epoch=rule)).notes for rule in ("best:99", "last:7")]
    assert said == [
        [f"//sig/{LM}: best:99 is 6 epochs, all that there are"],
        [f"//sig/{LM}: last:7 is 6 epochs, all that there are"],
    ]


class TestAHistoryThatCannotBeRead:
    @pytest.fixture
    def spoilt(self, tmp_path):
        folder = write_lm_experiment(tmp_path, LM, epochs=3)
        (folder / "history.json").write_text("[{")
        return tmp_path

    @pytest.mark.parametrize("rule", [{"epoch": "best:1"}, {"where": "valid.ce < 3"}])
    def test_is_told_where_a_rule_needs_it(self, spoilt, rule):
        with pytest.raises(FormatError, match="history cannot be read"):
            answer(asked(spoilt, **rule))

    @pytest.mark.parametrize("rule", [{"epoch": "best:1"}, {"where": "valid.ce < 9"}])
    def test_leaves_the_other_experiments(self, spoilt, rule):
        write_lm_experiment(spoilt, "2b3c4d5e", epochs=1)
        found = answer(asked(spoilt, sig="all", **rule))
        assert [choice.sig for choice in found.choices] == ["2b3c4d5e"]
        assert "1a2b3c4d is left out: The experiment's history cannot be read." in found.notes[0]

    def test_is_noted_where_the_epochs_are_known_without_it(self, spoilt):
        found = answer(asked(spoilt, epoch="last:2"))
        assert [(c.epoch, c.metric) for c in found.choices] == [(2, None), (3, None)]
        assert "its epochs have no metrics" in found.notes[0]

    def test_that_of_every_experiment_is_told_of_each(self, spoilt):
        other = write_lm_experiment(spoilt, "2b3c4d5e", epochs=1)
        (other / "history.json").write_text("{}")
        found = answer(asked(spoilt, sig="all", where="valid.ce < 9"))
        assert found.choices == [] and len(found.notes) == 2


def test_no_dora_folder():
    with pytest.raises(ConfigError, match="dora_dir is missing"):
        answer(asked(None, sig="all"))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("checkpoint.epoch", "best:3", True),
        ("checkpoint.epoch", "all", True),
        ("checkpoint.epoch", 3, False),
        ("checkpoint.epoch", None, False),
        ("checkpoint.sig", "all", True),
        ("checkpoint.sig", "grid:mine", True),
        ("checkpoint.sig", f"//sig/{LM}", False),
        ("checkpoint.where", "epoch > 1", True),
        ("checkpoint.where", None, False),
        ("export.dtype", "all", False),
    ],
)
def test_a_value_that_stands_for_others(key, value, expected):
    assert is_rule(key, value) is expected


@pytest.mark.parametrize("rule", ["best", "best:0", "best:-1", "best:x", "some", "first:2"])
def test_a_rule_that_is_none(rule):
    with pytest.raises(ConfigError, match="names no epochs"):
        is_rule("checkpoint.epoch", rule)

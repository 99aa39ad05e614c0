import json
from pathlib import Path

import pytest

from stages.train.experiment import Training, begun
from stages.train.lock import hold

SIG = "1a2b3c4d"


def experiment(dora: Path, history: object, checkpoint: bool = True) -> Training:
    folder = dora / "xps" / SIG
    folder.mkdir(parents=True)
    (folder / ".argv.json").write_text('["a=1"]')
    (folder / "history.json").write_text(json.dumps(history))
    if checkpoint:
        (folder / "checkpoint.th").touch()
    return Training(dora, SIG, 2)


@pytest.mark.parametrize(
    ("epochs", "checkpoint", "complete"),
    [(2, True, True), (3, True, True), (1, True, False), (2, False, False), (0, True, False)],
)
def test_complete_means_all_epochs_and_a_checkpoint(tmp_path, epochs, checkpoint, complete):
    assert experiment(tmp_path, [{}] * epochs, checkpoint).complete is complete


def test_an_experiment_of_unknown_length_is_never_complete(tmp_path):
    experiment(tmp_path, [{}, {}])
    assert not Training(tmp_path, SIG, None).complete


@pytest.mark.parametrize("text", ["", "[", "{}", "3"])
def test_a_history_that_cannot_be_read_is_empty(tmp_path, text):
    training = experiment(tmp_path, [])
    (training.folder / "history.json").write_text(text)
    assert training.history == []
    assert not training.complete


@pytest.mark.parametrize(
    ("entry", "shown"),
    [({"valid": {"ppl": 3.0, "ce": 1.23456}}, "valid ce 1.235"),
     ({"valid": {"sisnr": 2.5}}, "valid sisnr 2.500"), ({"valid": {}}, ""), ({"train": {}}, ""),
     ({"valid": 3}, "")],
)  # fmt: skip
def test_the_metric_of_the_last_epoch(tmp_path, entry, shown):
    assert experiment(tmp_path, [{}, entry]).metric == shown


def test_no_epoch_has_no_metric(tmp_path):
    assert experiment(tmp_path, []).metric == ""


def test_an_earlier_run_is_recognised_by_package_and_overrides(tmp_path):
    training = experiment(tmp_path, [])
    assert begun(tmp_path, "toy", ["a=1"], 2) is None
    with hold(training.lock, "toy", print):
        pass
    assert begun(tmp_path, "toy", ["a=1"], 2) == training
    assert begun(tmp_path, "toy", ["a=2"], 2) is None
    assert begun(tmp_path, "other", ["a=1"], 2) is None
    (training.folder / ".argv.json").write_text("[")
    assert begun(tmp_path, "toy", ["a=1"], 2) is None

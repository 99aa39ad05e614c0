"""An experiment as a line: what its small files tell, and what happens when they are damaged."""

import json
import math
import os
import time

import pytest

from stages.common.experiment_folder import ExperimentFolder
from stages.common.experiments import Experiment
from stages.common.listed_experiment import QUIET, ListedExperiment
from tests.experiments import write_encodec_experiment, write_lm_experiment

SIG = "1a2b3c4d"


@pytest.fixture
def experiment(tmp_path):
    write_lm_experiment(tmp_path, SIG, epochs=3, codec="//sig/98dabcc6")
    return Experiment(tmp_path, SIG)


def rewrite(experiment, history):
    experiment.history_file.write_text(json.dumps(history))


def configure(experiment, old, new):
    text = experiment.config_file.read_text()
    assert old in text
    experiment.config_file.write_text(text.replace(old, new))


def age(experiment, seconds):
    then = time.time() - seconds
    for path in experiment.folder.iterdir():
        os.utime(path, (then, then))


def test_what_a_complete_one_is(experiment):
    found = ListedExperiment.of(experiment, ["small/a", "small/b"])
    assert (found.signature, found.folder) == (SIG, experiment.folder)
    assert (found.progress, found.epochs, found.planned) == ("complete", 3, 3)
    assert (found.solver, found.codec, found.base_model) == ("musicgen", "//sig/98dabcc6", None)
    assert (found.best.epoch, found.best.value) == (2, 3.0)
    assert found.metrics["valid.ce"] == 3.0 and found.metrics["train.ce"] == 3.5
    assert found.checkpoints == ExperimentFolder.of(experiment).checkpoints
    assert found.disk == sum(path.stat().st_size for path in experiment.folder.glob("*.th"))
    assert (found.released, found.fsdp, found.damage) == (("small/a", "small/b"), False, None)


def test_no_checkpoint_is_opened(experiment):
    before = ListedExperiment.of(experiment)
    for path in experiment.folder.glob("*.th"):
        path.write_bytes(bytes(path.stat().st_size))
    assert ListedExperiment.of(experiment) == before


def test_a_codec_has_no_measure_and_its_best_epoch_is_the_last(tmp_path):
    write_encodec_experiment(tmp_path, "98dabcc6", epochs=2)
    found = ListedExperiment.of(Experiment(tmp_path, "98dabcc6"))
    assert (found.solver, found.codec) == ("compression", None)
    assert (found.best.epoch, found.values["best"], found.values["best_epoch"]) == (2, None, 2)
    assert "valid.sisnr" in found.values


def test_an_fsdp_run_by_its_config_or_by_its_files(tmp_path, experiment):
    write_lm_experiment(tmp_path, "aaaaaaaa", fsdp=True)
    found = ListedExperiment.of(Experiment(tmp_path, "aaaaaaaa"))
    assert found.fsdp and found.checkpoints[-1].total > found.checkpoints[-1].size
    assert not ListedExperiment.of(experiment).fsdp
    (experiment.folder / "checkpoint_1.th.1").touch()
    assert ListedExperiment.of(experiment).fsdp


def test_a_checkpoint_elsewhere_has_its_ranks_beside_it(tmp_path, experiment):
    moved = tmp_path / "moved.th"
    experiment.last_checkpoint.rename(moved)
    experiment.last_checkpoint.symlink_to(moved)
    (tmp_path / "moved.th.1").write_bytes(b"123")
    last = ListedExperiment.of(experiment).checkpoints[-1]
    assert last.total == moved.stat().st_size + 3


class Tidying(Experiment):
    """A run that removes an old checkpoint while it is looked at."""

    @property
    def checkpoints(self):
        found = super().checkpoints
        self.epoch_checkpoint(1).unlink(missing_ok=True)
        return found


def test_a_checkpoint_that_its_run_removes_meanwhile_is_left_out(tmp_path, experiment):
    found = ListedExperiment.of(Tidying(tmp_path, SIG))
    assert [file.epoch for file in found.checkpoints] == [2, None]
    assert found.damage is None


def test_what_was_fine_tuned_names_its_base(experiment):
    configure(
        experiment, "continue_from: null", "continue_from: //pretrained/facebook/musicgen-small"
    )
    assert ListedExperiment.of(experiment).base_model == "facebook/musicgen-small"


class TestProgress:
    """Complete, running, interrupted: by the epochs, and by when something was written last."""

    @pytest.fixture(autouse=True)
    def unfinished(self, experiment):
        configure(experiment, "epochs: 3", "epochs: 100")

    def test_it_runs_while_something_is_written(self, experiment):
        assert ListedExperiment.of(experiment).progress == "running"
        age(experiment, QUIET + 5)
        assert ListedExperiment.of(experiment).progress == "interrupted"
        (experiment.folder / "solver.log.0").touch()
        assert ListedExperiment.of(experiment).progress == "running"

    def test_long_epochs_are_quiet_for_long(self, experiment):
        history = experiment.history
        history[-1]["train"]["duration"] = QUIET
        rewrite(experiment, history)
        age(experiment, QUIET * 1.9)
        assert ListedExperiment.of(experiment).progress == "running"
        age(experiment, QUIET * 2.1)
        assert ListedExperiment.of(experiment).progress == "interrupted"
        history[-1]["train"]["duration"] = math.inf
        rewrite(experiment, history)
        age(experiment, 2 * 86400)
        assert ListedExperiment.of(experiment).progress == "interrupted"

    def test_nobody_knows_how_many_epochs_it_takes(self, experiment):
        configure(experiment, "epochs: 100", "epochs: many")
        age(experiment, QUIET + 5)
        found = ListedExperiment.of(experiment)
        assert (found.progress, found.planned, found.epochs) == ("unknown", None, 3)

    def test_one_that_waits_for_its_first_start(self, tmp_path):
        folder = tmp_path / "xps" / "aaaaaaaa"
        folder.mkdir()
        (folder / ".argv.json").write_text("[]")
        found = ListedExperiment.of(Experiment(tmp_path, "aaaaaaaa"))
        assert (found.progress, found.damage, found.epochs) == ("not begun", None, 0)

    def test_the_time_may_be_given(self, experiment):
        later = time.time() + QUIET + 5
        assert ListedExperiment.of(experiment, now=later).progress == "interrupted"


class TestDamage:
    """A line says so, and what can be read is there all the same."""

    @pytest.mark.parametrize(
        "history", ["[[[", "[" * 100_000, '{"a": 1}', "3", "", f"[{'9' * 6000}]", "\udcff"]
    )
    def test_of_the_history(self, experiment, history):
        experiment.history_file.write_bytes(history.encode(errors="surrogateescape"))
        found = ListedExperiment.of(experiment)
        assert (found.progress, found.epochs, found.best) == ("damaged", 0, None)
        assert "history" in found.damage and str(experiment.history_file) in found.damage
        assert (found.solver, len(found.checkpoints)) == ("musicgen", 3)

    @pytest.mark.parametrize(
        "config", ["a: [", "[]", "a: &a [x]\nb: *a\n", "x" * 200_000, "\udcff", "a:" + "[" * 999]
    )
    def test_of_the_config(self, experiment, config):
        experiment.config_file.write_bytes(config.encode(errors="surrogateescape"))
        found = ListedExperiment.of(experiment)
        assert (found.progress, found.solver, found.size) == ("damaged", None, None)
        assert "config" in found.damage or "xp.cfg" in found.damage
        assert (found.epochs, found.best.value, len(found.checkpoints)) == (3, 3.0, 3)

    def test_a_config_that_is_gone_or_no_file(self, experiment):
        experiment.config_file.unlink()
        assert ListedExperiment.of(experiment).damage.startswith("The experiment has no config.")
        os.mkfifo(experiment.config_file)
        assert ListedExperiment.of(experiment).progress == "damaged"

    def test_values_of_no_sense(self, experiment):
        rewrite(experiment, [{"valid": {"ce": 10**400}}, {"valid": {"ce": math.nan}}, 7, None])
        found = ListedExperiment.of(experiment)
        assert (found.epochs, found.best.epoch, found.damage) == (4, 4, None)

    def test_a_folder_that_disappears(self, experiment):
        (experiment.folder / "checkpoint_2.th").unlink()
        (experiment.folder / "checkpoint_2.th").symlink_to("checkpoint_2.th")
        assert [file.epoch for file in ListedExperiment.of(experiment).checkpoints] == [1, None]
        experiment.folder.rename(experiment.folder.with_name("gone"))
        assert ListedExperiment.of(experiment).progress == "not begun"

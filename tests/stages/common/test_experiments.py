"""Experiments on disk, held against Dora's own reading of them."""

import json
import os
import subprocess
import sys

import pytest
from omegaconf import OmegaConf

from pipeline.errors import ConfigError, FormatError, SourceError
from stages.common import saving
from stages.common.experiments import Experiment, find_experiment, parse_signature
from stages.common.request_line import override
from tests.experiments import rewrite, write_encodec_experiment, write_lm_experiment
from tests.exports import source


@pytest.fixture(scope="module")
def dora(tmp_path_factory):
    folder = tmp_path_factory.mktemp('it\'s a "Döra" folder')
    write_lm_experiment(folder, "1a2b3c4d", epochs=3)
    write_encodec_experiment(folder, "98dabcc6", epochs=1)
    return folder


@pytest.fixture
def experiment(tmp_path):
    write_lm_experiment(tmp_path, "1a2b3c4d")
    return Experiment(tmp_path, "1a2b3c4d")


@pytest.mark.parametrize("text", ["9370b59c", "//sig/9370b59c", "//sig/9370b59c/", " 9370b59c "])
def test_both_forms_of_a_signature(text):
    assert parse_signature(text) == "9370b59c"


@pytest.mark.parametrize("text", ["inf", "1.234e+11", "", "//sig/", "9370b59", "9370B59C", "../x"])
def test_what_is_no_signature_shows_the_form_that_works(text):
    with pytest.raises(ConfigError, match=r"checkpoint\.sig=//sig/1234e567"):
        parse_signature(text)
    with pytest.raises(ConfigError, match=r"compression\.sig=//sig/1234e567"):
        parse_signature(text, "compression.sig")


ASK_DORA = """
import json, sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
from dora.conf import DoraConfig
from dora.xp import XP
dora = DoraConfig(dir=Path(sys.argv[1]))
for sig in sys.argv[2:]:
    xp = XP(dora=dora, cfg=None, argv=[], sig=sig)
    xp.link.load()
    print(json.dumps([str(xp.folder), str(xp.history), xp.link.history]))
"""


def test_dora_finds_the_same(dora):
    signatures = ["1a2b3c4d", "98dabcc6"]
    command = [sys.executable, "-c", ASK_DORA, str(dora), *signatures]
    done = subprocess.run(command, capture_output=True, check=True)
    ours = [Experiment(dora, sig) for sig in signatures]
    found = [[str(one.folder), str(one.history_file), one.history] for one in ours]
    assert [json.loads(line) for line in done.stdout.splitlines()] == found
    assert [len(one.history) for one in ours] == [3, 1]


def test_the_config_is_that_of_the_checkpoint(dora):
    ours = Experiment(dora, "1a2b3c4d")
    assert ours.config == source(ours.last_checkpoint)["xp.cfg"]
    assert OmegaConf.is_interpolation(ours.config.generate.audio, "sample_rate")


def test_the_checkpoints_by_epoch(experiment):
    folder = experiment.folder
    for name in ("checkpoint_best.th", "checkpoint_7.th.1", "checkpoint_x.th.tmp"):
        (folder / name).touch()
    (folder / "checkpoint_10.th").touch()
    assert list(experiment.checkpoints.items()) == [
        (1, folder / "checkpoint_1.th"),
        (10, folder / "checkpoint_10.th"),
        (None, folder / "checkpoint.th"),
    ]


class TestEpochs:
    """Which file has which epoch."""

    def test_an_epoch_has_its_own_file(self, experiment):
        assert experiment.checkpoint(1) == experiment.folder / "checkpoint_1.th"

    def test_the_last_epoch_takes_the_last_checkpoint(self, experiment):
        assert experiment.checkpoint(2) == experiment.checkpoint(None)
        (experiment.folder / "checkpoint_2.th").touch()
        assert experiment.checkpoint(2) == experiment.folder / "checkpoint_2.th"

    def test_the_checkpoint_knows_its_epoch_better_than_the_history(self, experiment):
        package = source(experiment.last_checkpoint)
        rewrite(experiment.last_checkpoint, history=package["history"][:1])
        (experiment.folder / "checkpoint_1.th").unlink()
        assert experiment.checkpoint(1) == experiment.last_checkpoint
        with pytest.raises(SourceError, match=r"There are 1: checkpoint\.epoch=1"):
            experiment.checkpoint(2)

    def test_a_missing_one_names_those_that_are_there(self, dora):
        with pytest.raises(SourceError) as error:
            find_experiment(dora, "1a2b3c4d").checkpoint(7, "compression")
        assert str(error.value).splitlines() == [
            "There is no checkpoint of epoch 7 of //sig/1a2b3c4d.",
            str(dora / "xps/1a2b3c4d"),
            "There are 1, 2, 3: compression.epoch=3",
        ]

    def test_a_run_without_checkpoints(self, tmp_path):
        (tmp_path / "xps/1a2b3c4d").mkdir(parents=True)
        for epoch in (None, 1):
            with pytest.raises(SourceError, match="interrupted"):
                find_experiment(tmp_path, "1a2b3c4d").checkpoint(epoch)

    def test_without_the_last_checkpoint_those_of_single_epochs_are_named(self, experiment):
        experiment.last_checkpoint.unlink()
        with pytest.raises(SourceError, match=r"checkpoint\.epoch=1"):
            experiment.checkpoint(None)
        with pytest.raises(SourceError, match="There are 1: "):
            experiment.checkpoint(2)

    def test_a_damaged_last_checkpoint(self, experiment):
        os.truncate(experiment.last_checkpoint, 5000)
        with pytest.raises(FormatError, match="cut off"):
            experiment.checkpoint(2)


class TestInterruptedSaves:
    """What AudioCraft leaves when a save is interrupted, and while it is going on."""

    def test_nothing_to_say(self, experiment):
        assert experiment.notes(experiment.last_checkpoint) == ()

    def test_one_that_is_going_on_is_only_mentioned(self, experiment):
        saving.unnamed(experiment.last_checkpoint).touch()
        assert experiment.checkpoint(None) == experiment.last_checkpoint
        assert "not used" in experiment.notes(experiment.last_checkpoint)[0]
        assert experiment.notes(experiment.epoch_checkpoint(1)) == ()

    @pytest.mark.parametrize("first", [True, False])
    def test_one_that_lacks_only_its_name_is_taken(self, experiment, first):
        last = experiment.last_checkpoint
        before = last.read_bytes()
        last.rename(saving.unnamed(last))
        saving.token(last).touch()
        if not first:  # the one before it still has the name
            last.write_bytes(before[:100])
        assert experiment.checkpoint(None) == saving.unnamed(last)
        assert experiment.checkpoint(2) == saving.unnamed(last)
        assert "is used" in experiment.notes(saving.unnamed(last))[0]
        assert experiment.notes(experiment.epoch_checkpoint(1)) == ()

    def test_an_epochs_own_file_that_lacks_only_its_name(self, experiment):
        own = experiment.epoch_checkpoint(1)
        own.rename(saving.unnamed(own))
        with pytest.raises(SourceError, match="no checkpoint of epoch 1"):
            experiment.checkpoint(1)
        saving.token(own).touch()
        assert experiment.checkpoint(1) == saving.unnamed(own)

    def test_the_first_one_is_not_complete(self, experiment):
        experiment.epoch_checkpoint(1).unlink()
        experiment.last_checkpoint.rename(saving.unnamed(experiment.last_checkpoint))
        with pytest.raises(SourceError, match="not complete: wait"):
            experiment.checkpoint(None)

    def test_one_is_named_when_single_epochs_are_fallen_back_on(self, experiment):
        experiment.last_checkpoint.rename(saving.unnamed(experiment.last_checkpoint))
        hint = r"checkpoint\.th\.tmp is not complete: .* There are those .*checkpoint\.epoch=1"
        with pytest.raises(SourceError, match=hint):
            experiment.checkpoint(None)
        (note,) = experiment.notes(experiment.checkpoint(1))
        assert "checkpoint.th.tmp" in note and "not used" in note
        saving.unnamed(experiment.epoch_checkpoint(2)).touch()
        with pytest.raises(SourceError, match=r"checkpoint_2\.th\.tmp is not .* There are 1: "):
            experiment.checkpoint(2)

    def test_two_that_may_be_the_last(self, experiment):
        experiment.old_checkpoint.touch()
        with pytest.raises(SourceError, match="two files"):
            experiment.checkpoint(None)
        assert experiment.checkpoint(1) == experiment.epoch_checkpoint(1)


class TestFinding:
    """An experiment by its signature."""

    @pytest.mark.parametrize("sig", ["1a2b3c4d", "//sig/1a2b3c4d"])
    def test_one_that_is_there(self, dora, sig):
        assert find_experiment(dora, sig) == Experiment(dora, "1a2b3c4d")

    def test_near_ones_come_with_last_epoch_and_best_metric(self, dora):
        with pytest.raises(SourceError) as error:
            find_experiment(dora, "1a2b3c4e")
        assert str(error.value).splitlines() == [
            "There is no experiment //sig/1a2b3c4e.",
            str(dora / "xps"),
            "Near it: //sig/1a2b3c4d (3 epochs, best ce 3.000)",
        ]

    def test_without_near_ones_some_are_named(self, dora, tmp_path):
        with pytest.raises(SourceError, match="There are: //sig/1a2b3c4d, //sig/98dabcc6$"):
            find_experiment(dora, "ffffffff")
        for index in range(7):
            (tmp_path / "xps" / f"0000000{index}").mkdir(parents=True)
        with pytest.raises(SourceError, match=r"//sig/00000005, \.\.\.$"):
            find_experiment(tmp_path, "ffffffff")

    def test_none_at_all(self, tmp_path):
        (tmp_path / "xps").mkdir()
        with pytest.raises(SourceError, match="There are none"):
            find_experiment(tmp_path, "ffffffff")

    def test_the_wrong_folder(self, dora):
        with pytest.raises(SourceError, match=r"compression\.dora_dir=/path"):
            find_experiment(dora / "no such", "1a2b3c4d", "compression")
        with pytest.raises(SourceError) as error:
            find_experiment(dora / "xps", "1a2b3c4d")
        said = override("checkpoint.dora_dir", dora)
        assert error.value.hint == f"Did you mean {said}?"


def test_a_history_or_config_that_cannot_be_read(experiment):
    experiment.history_file.write_text("[{")
    assert experiment.history == []
    experiment.history_file.unlink()
    assert experiment.history == []
    (experiment.folder / ".hydra/config.yaml").unlink()
    with pytest.raises(FormatError, match="config cannot be read"):
        _ = experiment.config

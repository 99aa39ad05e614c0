"""What is in a file and what is wrong with it, for files of every kind."""

import os
import tarfile

import pytest
import torch

from stages.common.best import Best
from stages.common.reading import Reading, read
from tests.archives import saved
from tests.experiments import (
    rewrite,
    write_encodec_experiment,
    write_exported,
    write_lm_experiment,
    write_reference,
)
from tests.exports import source


@pytest.fixture
def checkpoint(tmp_path):
    return write_lm_experiment(tmp_path) / "checkpoint.th"


def said(reading: Reading, severity: str) -> list[str]:
    return [remark.what for remark in reading.remarks if remark.severity == severity]


def only_problem(path):
    (problem,) = said(reading := read(path), "problem")
    assert (reading.state, reading.model.form) == (None, "unreadable")
    return problem


class TestTraining:
    """A checkpoint as a trainer saves it."""

    def test_what_it_is(self, checkpoint):
        model = read(checkpoint).model
        assert (model.form, model.family, model.whole) == ("training", "lm", True)
        assert (model.signature, model.epochs, model.best) == ("1a2b3c4d", 2, Best(1, "ce", 4.0))
        assert model.size == checkpoint.stat().st_size
        assert model.codec == "//sig/98dabcc6"
        assert (model.base_model, model.base_license) == (None, None)
        assert [content.key for content in model.contents] == [
            "best_state", "model", "optimizer", "ema",
        ]  # fmt: skip

    def test_its_states_with_the_epochs_they_are_from(self, checkpoint):
        best, ema, last = read(checkpoint).model.states
        assert [(s.name, s.epoch) for s in (best, ema, last)] == [
            ("best", 1), ("ema", 2), ("last", 2),
        ]  # fmt: skip
        weights = source(checkpoint)["model"]
        assert last.parameters == sum(tensor.numel() for tensor in weights.values())
        assert (last.bytes, last.dtypes) == (4 * last.parameters, {"float32": len(weights)})
        assert last.tensors == ()

    def test_the_tensors_of_the_states_that_are_asked_for(self, checkpoint):
        best, ema, last = read(checkpoint, {"ema"}).model.states
        assert (best.tensors, last.tensors) == ((), ())
        weights = source(checkpoint)["ema"]["state"]["model"]
        assert [(t.name, t.dtype, t.shape, t.bytes) for t in ema.tensors] == [
            (name, "float32", tuple(w.shape), 4 * w.numel()) for name, w in weights.items()
        ]

    def test_its_base_model_and_the_license_that_is_kept(self, tmp_path):
        overrides = {"continue_from": "//pretrained/facebook/musicgen-small"}
        folder = write_lm_experiment(tmp_path, config_overrides=overrides)
        model = read(folder / "checkpoint.th").model
        assert model.base_model == "facebook/musicgen-small"
        assert model.base_license == "cc-by-nc-4.0"

    def test_a_codec_is_sound(self, tmp_path):
        reading = read(write_encodec_experiment(tmp_path) / "checkpoint.th")
        assert (reading.model.family, reading.model.codec) == ("compression", None)
        assert (reading.model.best, reading.remarks) == (Best(2, None, None), ())

    def test_an_unconditional_one_is_sound_since_an_export_mends_it(self, tmp_path):
        folder = write_lm_experiment(tmp_path, conditioners=None, epochs=1)
        assert read(folder / "checkpoint.th").remarks == ()

    def test_the_state_that_is_taken_without_and_with_an_epoch(self, checkpoint):
        assert (read(checkpoint).state, read(checkpoint, epoch=2).state) == ("best", "ema")

    def test_states_in_shards_are_joined_or_named(self, tmp_path):
        folder = write_lm_experiment(tmp_path, fsdp=True)
        model = read(folder / "checkpoint.th").model
        assert {state.name: state.key for state in model.states} == {
            "best": "fsdp_best_state",
            "ema": "ema, of 2 ranks",
            "last": "model, of 2 ranks",
        }
        assert len({state.parameters for state in model.states}) == 1 and model.shards == ()
        (folder / "checkpoint.th.1").unlink()
        model = read(folder / "checkpoint.th").model
        assert [state.name for state in model.states] == ["best"]
        assert model.shards == ("ema", "last")

    def test_why_shards_that_are_there_cannot_be_joined(self, tmp_path):
        folder = write_lm_experiment(tmp_path, fsdp=True, epochs=1)
        assert read(folder / "checkpoint.th").remarks == ()
        os.truncate(folder / "checkpoint.th.1", 9000)
        (hint,) = read(folder / "checkpoint.th").remarks
        assert (hint.severity, hint.where) == ("hint", str(folder / "checkpoint.th.1"))
        assert "cut off" in hint.what
        (folder / "checkpoint.th.1").unlink()
        assert read(folder / "checkpoint.th").remarks == ()


class TestHints:
    """What may surprise, and keeps nothing from being released."""

    def test_a_last_epoch_much_worse_than_the_best(self, checkpoint):
        (hint,) = read(checkpoint).remarks
        assert (hint.severity, hint.remedy) == ("hint", "")
        assert "valid ce 9.000, after 4.000 in epoch 1" in hint.what
        (hint,) = read(checkpoint, epoch=2).remarks
        assert hint.remedy == "take the best one: checkpoint.state=best"

    def test_one_a_little_worse_is_none(self, checkpoint):
        history = source(checkpoint)["history"]
        history[-1]["valid"]["ce"] = 4.5
        assert read(rewrite(checkpoint, history=history)).remarks == ()

    @pytest.mark.parametrize("first", [4.0, float("nan")])
    def test_one_that_is_no_number(self, checkpoint, first):
        history = source(checkpoint)["history"]
        history[0]["valid"]["ce"], history[-1]["valid"]["ce"] = first, float("nan")
        reading = read(rewrite(checkpoint, history=history))
        told = "the run diverged" if first == 4 else "no epoch was ever best"
        (hint,) = said(reading, "hint")
        assert "is nan" in hint and told in hint
        assert reading.model.history[-1]["valid"]["ce"] == "NaN"

    def test_averages_that_were_never_updated(self, checkpoint):
        ema = source(checkpoint)["ema"] | {"count": 0}
        hints = said(read(rewrite(checkpoint, ema=ema)), "hint")
        assert "never updated" in hints[0]

    @pytest.mark.parametrize(("solver", "seconds"), [("musicgen", 18), ("audiogen", 2)])
    def test_segments_that_audiocraft_refuses(self, tmp_path, solver, seconds):
        folder = write_lm_experiment(
            tmp_path, epochs=1, segment_duration=seconds, config_overrides={"solver": solver}
        )
        (hint,) = read(folder / "checkpoint.th").remarks
        assert hint.severity == "hint" and f"is {seconds} s" in hint.what
        assert "export.config_overrides={dataset.segment_duration" in hint.remedy

    def test_an_epochs_file_that_keeps_only_some_states(self, checkpoint):
        reading = read(rewrite(checkpoint, best_state=..., ema=..., history=...))
        assert [(hint.what, hint.remedy) for hint in reading.remarks] == [
            ("The checkpoint has no best state.", "It has last: checkpoint.state=last")
        ]
        assert (reading.state, reading.chosen) == ("last", True)

    def test_torchs_old_form(self, tmp_path, checkpoint):
        reading = read(write_exported(tmp_path / "old.bin", checkpoint, "legacy"))
        assert reading.model.form == "legacy"
        (hint,) = said(reading, "hint")
        assert "before 1.6" in hint


class TestProblems:
    """What keeps a file from being released; it is described as far as it goes."""

    @pytest.mark.parametrize("key", ["num_heads", "activation", "causal"])
    def test_a_key_without_which_audiocraft_loads_another_model(self, tmp_path, key):
        overrides = {f"transformer_lm.{key}": "???"}
        folder = write_lm_experiment(tmp_path, epochs=1, config_overrides=overrides)
        (problem,) = read(folder / "checkpoint.th").remarks
        assert problem.severity == "problem"
        assert f"transformer_lm.{key} is missing" in problem.what
        assert "export.config_overrides=" in problem.remedy

    def test_one_that_was_cut_off_says_what_it_was_going_to_be(self, checkpoint):
        whole = read(checkpoint).model
        os.truncate(checkpoint, checkpoint.stat().st_size * 6 // 10)
        reading = read(checkpoint)
        assert not reading.model.whole and reading.state is None
        for attribute in ("states", "signature", "history", "architecture", "contents"):
            assert getattr(reading.model, attribute) == getattr(whole, attribute)
        cut, promised = said(reading, "problem")
        assert "cut off" in cut
        assert promised == (
            "Its beginning promises 580 kB of tensors; the whole file is only 402 kB."
        )

    def test_one_that_lacks_little_more_than_its_directory(self, checkpoint):
        promised = sum(content.bytes for content in read(checkpoint).model.contents)
        size = checkpoint.stat().st_size - 2000
        os.truncate(checkpoint, size)
        assert said(read(checkpoint), "problem")[1] == (
            f"Its beginning promises {promised:,} B of tensors and more around them; "
            f"the whole file is {size:,} B."
        )

    def test_one_that_was_cut_off_early(self, checkpoint):
        os.truncate(checkpoint, 9000)
        problems = said(read(checkpoint), "problem")
        assert "cut off" in problems[0]

    def test_another_ranks_share(self, tmp_path):
        path = write_lm_experiment(tmp_path, fsdp=True) / "checkpoint.th.1"
        reading = read(path)
        (problem,) = reading.remarks
        assert problem.remedy == f"Give that of rank 0: {path.with_suffix('')}"
        model = reading.model
        assert (model.form, model.signature, model.epochs) == ("unreadable", "1a2b3c4d", 2)
        assert model.architecture is not None and model.architecture.title == "MusicGen"

    def test_one_without_its_config(self, checkpoint):
        reading = read(rewrite(checkpoint, xp_cfg=...))
        (problem,) = reading.remarks
        assert "no xp.cfg" in problem.what and "keep_every_states" in problem.remedy
        assert (reading.model.signature, reading.model.best) == ("1a2b3c4d", Best(1, "ce", 4.0))
        assert "xp.sig" in reading.model.keys

    def test_one_that_names_what_would_run(self, tmp_path):
        path = saved(tmp_path / "c.th", {"model": Hostile(), "x": torch.zeros(1)})
        assert "names" not in only_problem(path) and "posix.system" in only_problem(path)

    def test_other_files(self, tmp_path):
        (tmp_path / "empty.th").touch()
        (tmp_path / "text.th").write_text("no checkpoint" * 100)
        with tarfile.open(tmp_path / "tar.th", "w") as tar:
            tar.add(tmp_path / "text.th", "text")
        assert "empty" in only_problem(tmp_path / "empty.th")
        assert "torch did not write it" in only_problem(tmp_path / "text.th")
        assert "tar archive" in only_problem(tmp_path / "tar.th")
        path = saved(tmp_path / "other.pt", {"weights": torch.zeros(3)})
        assert "only weights" in only_problem(path)
        assert read(path).model.keys == ("weights",)
        assert "no checkpoint" in only_problem(saved(tmp_path / "list.pt", [1]))


class Hostile:
    def __reduce__(self):
        return os.system, ("echo ran > /dev/null",)


class TestExported:
    """What AudioCraft loads."""

    @pytest.mark.parametrize(("form", "version"), [("new", "1.3.0"), ("old", None)])
    def test_a_language_model(self, tmp_path, checkpoint, form, version):
        reading = read(write_exported(tmp_path / "state_dict.bin", checkpoint, form))
        assert (reading.model.form, reading.model.version) == ("exported", version)
        assert (reading.model.best, reading.model.epochs) == (None, 0)
        assert [(s.name, s.epoch) for s in reading.model.states] == [("best", None)]
        assert reading.remarks == ()

    def test_a_reference(self, tmp_path):
        reading = read(write_reference(tmp_path / "c.bin"))
        assert (reading.model.form, reading.remarks) == ("reference", ())
        assert reading.model.pretrained == "facebook/encodec_32khz"

"""Checkpoints of all forms, saved by torch as AudioCraft does."""

import os
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from pipeline.errors import FormatError, SourceError
from stages.common.checkpoint import Checkpoint
from stages.common.state_choice import choose_state
from tests.archives import elements
from tests.experiments import (
    rewrite,
    write_encodec_experiment,
    write_exported,
    write_lm_experiment,
    write_reference,
)
from tests.exports import source


@pytest.fixture(scope="module")
def dora(tmp_path_factory):
    folder = tmp_path_factory.mktemp('it\'s a "Döra" folder')
    write_lm_experiment(folder, "1a2b3c4d")
    write_lm_experiment(folder, "f5d9f5d9", fsdp=True)
    write_encodec_experiment(folder, "98dabcc6")
    return folder


@pytest.fixture
def checkpoint(tmp_path):
    return write_lm_experiment(tmp_path) / "checkpoint.th"


def refusal(path: Path) -> str:
    with pytest.raises(FormatError) as error:
        Checkpoint.open(path)
    lines = str(error.value).splitlines()
    assert len(lines) <= 3 and str(path) in lines
    return str(error.value)


def exact(opened: Checkpoint, state: str, tensors: dict[str, torch.Tensor]) -> bool:
    refs = opened.states[state].tensors
    return list(refs) == list(tensors) and all(
        b"".join(map(bytes, refs[key].blocks())) == elements(tensor)
        for key, tensor in tensors.items()
    )


def test_a_training_checkpoint(dora):
    path = dora / "xps/1a2b3c4d/checkpoint.th"
    package = source(path)
    with Checkpoint.open(path) as opened:
        assert (opened.form, opened.family, opened.solver) == ("training", "lm", "musicgen")
        assert (opened.signature, opened.epochs, opened.pretrained) == ("1a2b3c4d", 2, None)
        assert opened.history == package["history"]
        assert opened.config == package["xp.cfg"]
        assert opened.setting("generate.audio.sample_rate") == 32000
        assert opened.setting("dora.dir.no.such") is None
        assert list(opened.states) == ["best", "ema", "last"]
        keys = [state.key for state in opened.states.values()]
        assert keys == ["best_state", "ema", "model"]
        assert exact(opened, "best", package["best_state"]["model"])
        assert exact(opened, "ema", package["ema"]["state"]["model"])
        assert exact(opened, "last", package["model"])
        best = opened.states["best"]
        assert best.parameters == sum(t.numel() for t in package["model"].values())
        assert best.nbytes == 4 * best.parameters
        assert best.dtypes == {"float32": 36}


def test_a_codecs_checkpoint(dora):
    with Checkpoint.open(dora / "xps/98dabcc6/checkpoint.th") as opened:
        assert (opened.form, opened.family) == ("training", "compression")


def test_the_largest_run_is_read(tmp_path):
    """MusicGen's large model with all its states and moments, and a thousand epochs of history."""

    def weights() -> dict[str, torch.Tensor]:
        names = (f"transformer.layers.{layer}.part_{part}.weight" for layer, part in parts)
        return {name: torch.zeros(1) for name in names}

    def section(epoch: int, name: str) -> dict[str, float]:
        return {f"{name}_metric_{metric}": epoch + metric / 7 for metric in range(40)}

    parts = [(layer, part) for layer in range(48) for part in range(21)]
    sections = ("train", "valid", "evaluate", "generate")
    moments = {
        index: {name: torch.zeros(1) for name in ("step", "exp_avg", "exp_avg_sq")}
        for index in range(4 * len(parts) // 3)
    }
    package = {
        "history": [{name: section(epoch, name) for name in sections} for epoch in range(1000)],
        "xp.cfg": OmegaConf.create({"solver": "musicgen", "lm_model": "transformer_lm"}),
        "xp.sig": "1a2b3c4d",
        "best_state": {"model": weights()},
        "model": weights(),
        "ema": {"state": {"model": weights()}, "count": 3.0},
        "optimizer": {"state": moments, "param_groups": [{"params": list(moments)}]},
    }
    with Checkpoint.open(saved(tmp_path / "checkpoint.th", package)) as opened:
        assert len(opened.archive.records) > 7000
        assert opened.history == package["history"]
        assert all(list(state.tensors) == list(weights()) for state in opened.states.values())


def test_a_run_without_averages(tmp_path):
    with Checkpoint.open(write_lm_experiment(tmp_path, ema=False) / "checkpoint.th") as opened:
        assert list(opened.states) == ["best", "last"]


@pytest.mark.parametrize("form", ["new", "old"])
def test_an_exported_file_old_or_new(tmp_path, dora, form):
    path = dora / "xps/1a2b3c4d/checkpoint.th"
    exported = write_exported(tmp_path / "state_dict.bin", path, form)
    with Checkpoint.open(exported) as opened, Checkpoint.open(path) as original:
        assert (opened.form, opened.family, opened.solver) == ("exported", "lm", "musicgen")
        assert (opened.signature, opened.history, opened.epochs) == (None, [], 0)
        assert opened.config == original.config
        assert list(opened.states) == ["best"]
        digest = opened.states["best"].digest()
        assert digest == original.states["best"].digest()
        assert digest != original.states["last"].digest()


def test_the_digest_does_not_depend_on_order_or_surroundings(tmp_path, checkpoint):
    with Checkpoint.open(checkpoint) as opened:
        digest = opened.states["best"].digest()
    best = source(checkpoint)["best_state"]["model"]
    flat = torch.cat([tensor.flatten() for tensor in best.values()])
    views, at = {}, 0
    for key, tensor in best.items():
        views[key] = flat[at : at + tensor.numel()].view(tensor.shape)
        at += tensor.numel()
    rewrite(checkpoint, best_state={"model": dict(reversed(views.items()))}, optimizer=...)
    with Checkpoint.open(checkpoint) as opened:
        assert opened.states["best"].digest() == digest
    best["out_norm.bias"][0] += 1
    rewrite(checkpoint, best_state={"model": best})
    with Checkpoint.open(checkpoint) as opened:
        assert opened.states["best"].digest() != digest


def test_a_reference_is_a_name(tmp_path):
    with Checkpoint.open(write_reference(tmp_path / "c.bin")) as opened:
        assert (opened.form, opened.pretrained) == ("reference", "facebook/encodec_32khz")
        assert (opened.family, opened.states, dict(opened.config)) == ("compression", {}, {})


class TestFSDP:
    """A run on two ranks: shards, and on rank 0 the best state in full."""

    def test_rank_0_has_the_best_state_in_full(self, dora):
        path = dora / "xps/f5d9f5d9/checkpoint.th"
        with Checkpoint.open(path) as opened:
            assert list(opened.states) == ["best"]
            assert list(opened.shards) == ["ema", "last"]
            assert opened.states["best"].key == "fsdp_best_state"
            assert opened.states["best"].dtypes == {"float16": 36}
            assert exact(opened, "best", source(path)["fsdp_best_state"]["model"])

    @pytest.mark.parametrize("name", ["checkpoint.th", "checkpoint_1.th"])
    def test_another_ranks_file_names_that_of_rank_0(self, dora, name):
        path = dora / "xps/f5d9f5d9" / f"{name}.1"
        assert f"Give that of rank 0: {path.with_name(name)}" in refusal(path)

    def test_another_ranks_file_under_another_name(self, tmp_path, dora):
        path = tmp_path / "renamed.th"
        path.write_bytes((dora / "xps/f5d9f5d9/checkpoint.th.1").read_bytes())
        assert "one rank's share" in refusal(path)


class TestChoice:
    """Which state is released."""

    @pytest.mark.parametrize(
        ("asked", "epoch", "chosen"),
        [
            ("auto", None, "best"),
            ("auto", 2, "ema"),
            ("best", None, "best"),
            ("best", 2, "best"),
            ("ema", None, "ema"),
            ("last", 2, "last"),
        ],
    )
    def test_of_a_run_with_averages(self, dora, asked, epoch, chosen):
        with Checkpoint.open(dora / "xps/1a2b3c4d/checkpoint.th") as opened:
            assert choose_state(opened, asked, epoch).name == chosen

    def test_without_averages_an_epoch_was_judged_on_its_last_state(self, checkpoint):
        with Checkpoint.open(rewrite(checkpoint, ema=None)) as opened:
            assert choose_state(opened, "auto", 2).name == "last"
            assert choose_state(opened, "auto", None).name == "best"
            with pytest.raises(SourceError, match=r"no ema state(?s:.*)has best, last: checkpoint"):
                choose_state(opened, "ema", None)

    def test_a_misspelt_one(self, dora):
        with (
            Checkpoint.open(dora / "xps/1a2b3c4d/checkpoint.th") as opened,
            pytest.raises(SourceError, match=r"Did you mean checkpoint\.state=best"),
        ):
            choose_state(opened, "bset", None)

    def test_an_exported_file_has_one_and_no_epochs(self, tmp_path, checkpoint):
        with Checkpoint.open(write_exported(tmp_path / "s.bin", checkpoint)) as opened:
            assert choose_state(opened, "auto", None).name == "best"
            with pytest.raises(SourceError, match="no ema state"):
                choose_state(opened, "ema", None)
            with pytest.raises(SourceError, match="no epoch 1"):
                choose_state(opened, "auto", 1)

    def test_a_reference_has_none(self, tmp_path):
        with (
            Checkpoint.open(write_reference(tmp_path / "c.bin")) as opened,
            pytest.raises(SourceError, match="facebook/encodec_32khz"),
        ):
            choose_state(opened, "auto", None)


class TestKeptStates:
    """Runs with checkpoint.keep_every_states leave keys out of the epochs' own files."""

    def test_only_the_average(self, checkpoint):
        rewrite(checkpoint, best_state=..., fsdp_best_state=..., model=..., history=...)
        with Checkpoint.open(checkpoint) as opened:
            assert (list(opened.states), opened.epochs) == (["ema"], 0)

    def test_without_the_config_nothing_can_be_released(self, checkpoint):
        message = refusal(rewrite(checkpoint, xp_cfg=..., optimizer=...))
        assert "no xp.cfg" in message and "keep_every_states" in message
        assert "best_state" in message

    def test_without_any_weights(self, checkpoint):
        rewrite(checkpoint, best_state=..., fsdp_best_state=..., model=..., ema=...)
        assert "no weights in the file, only history, xp.cfg, xp.sig" in refusal(checkpoint)


def saved(path: Path, value: object) -> Path:
    torch.save(value, path)
    return path


def test_what_is_no_checkpoint_says_what_it_holds(tmp_path):
    layers = {f"layer.{index}.weight": torch.zeros(2) for index in range(9)}
    message = refusal(saved(tmp_path / "pytorch_model.bin", layers))
    assert "no best_state" in message and "layer.0.weight" in message and "..." in message
    assert "a list" in refusal(saved(tmp_path / "list.th", [1, 2]))
    assert "nothing" in refusal(saved(tmp_path / "empty.th", {}))


def test_states_that_are_something_else(tmp_path, checkpoint):
    assert "is no tensor" in refusal(rewrite(checkpoint, best_state={"model": {"emb": 3}}))
    assert "no checkpoint" in refusal(rewrite(checkpoint, best_state={"model": [1]}))
    assert "no checkpoint" in refusal(rewrite(checkpoint, best_state=[1]))
    rewrite(checkpoint, best_state=3)
    assert "no checkpoint" in refusal(checkpoint)
    rewrite(checkpoint, best_state={"model": {}}, ema=[1])
    assert "no checkpoint" in refusal(checkpoint)
    rewrite(checkpoint, ema={"state": [1]})
    assert "no checkpoint" in refusal(checkpoint)


def test_a_model_of_another_kind(tmp_path, checkpoint):
    config = source(checkpoint)["xp.cfg"]
    config.lm_model, config.solver = None, "diffusion"
    assert "solver is diffusion" in refusal(rewrite(checkpoint, xp_cfg=config))


def test_a_config_that_is_none(checkpoint):
    assert "xp.cfg" in refusal(rewrite(checkpoint, xp_cfg=[1]))


def test_files_that_are_no_archives(tmp_path, dora):
    path = dora / "xps/1a2b3c4d/checkpoint.th"
    whole = path.read_bytes()
    for name, text, said in (
        ("empty.th", b"", "empty"),
        ("text.th", b"version https://git-lfs.github.com/spec/v1\n", "torch did not write it"),
        ("short.th", whole[: len(whole) // 2], "cut off"),
    ):
        (tmp_path / name).write_bytes(text)
        assert said in refusal(tmp_path / name)
    legacy = write_exported(tmp_path / "state_dict.bin", path, "legacy")
    assert "before 1.6" in refusal(legacy)
    tar = tmp_path / "tar.th"
    tar.write_bytes(b"\0" * 257 + b"ustar" + b"\0" * 250)
    assert "tar archive" in refusal(tar)
    assert "no such file" in refusal(tmp_path / "gone.th")


class Proof:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.path}'",)


def test_nothing_in_a_pickle_runs(tmp_path, checkpoint):
    rewrite(checkpoint, optimizer=Proof(tmp_path / "proof"))
    assert "posix.system" in refusal(checkpoint)
    assert not (tmp_path / "proof").exists()


@pytest.mark.parametrize("text", ["${oc.env:SECRET}", "${oc.${part}:SECRET}", "${indirect}"])
def test_the_environment_of_this_machine_is_no_setting(checkpoint, monkeypatch, text):
    monkeypatch.setenv("SECRET", "hf_secret")
    config = source(checkpoint)["xp.cfg"]
    config.continue_from, config.solver = f"facebook/{text}", text
    OmegaConf.set_struct(config, False)
    config.part, config.indirect = "env", "${oc.env:SECRET}"
    with Checkpoint.open(rewrite(checkpoint, xp_cfg=config)) as opened:
        assert opened.solver is None
        assert "secret" not in str(opened.setting("continue_from"))
        assert opened.setting("dataset.segment_duration") == 20
        assert "${oc.env:SECRET}" in OmegaConf.to_yaml(opened.config)


@pytest.mark.parametrize("model", [None, "${oc.env:SECRET}", "${nothing}", "${"])
def test_a_family_that_only_resolvers_could_tell_is_none(checkpoint, monkeypatch, model):
    monkeypatch.setenv("SECRET", "hf_secret")
    config = OmegaConf.to_container(source(checkpoint)["xp.cfg"], resolve=False)
    config |= {"lm_model": model, "solver": "${oc.env:SECRET}", "compression_model": model}
    assert "secret" not in refusal(rewrite(checkpoint, xp_cfg=config))


def test_a_file_is_closed_however_it_ends(dora, tmp_path, checkpoint):
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = open_files()
    with Checkpoint.open(checkpoint):
        assert open_files() == before + 1
    refusal(rewrite(checkpoint, xp_cfg=...))
    assert open_files() == before

import shutil
from pathlib import Path

import pytest
import torch

from stages.miniature import checkpoint
from stages.miniature.codec import Codec
from stages.miniature.compression import CompressionSolver
from tests.miniature import TINY_CODEC, config_of


def train(folder: Path, *overrides: str) -> CompressionSolver:
    folder.mkdir(exist_ok=True)
    config = config_of(*TINY_CODEC, "checkpoint.save_every=1", *overrides)
    solver = CompressionSolver(config, folder, "c0dec000", lambda history: None)
    solver.run()
    return solver


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("codec")
    train(folder)
    return folder


def test_a_checkpoint_has_every_key_of_a_real_codec_s(whole):
    state = checkpoint.load(whole / "checkpoint.th")
    assert list(state) == [
        "history", "xp.cfg", "xp.sig", "best_state", "fsdp_best_state", "model", "optimizer",
        "lr_scheduler", "ema", "adv_losses",
    ]  # fmt: skip
    assert state["ema"] is None and state["adv_losses"] == {}
    assert list(state["best_state"]["model"]) == list(state["model"])
    assert state["xp.cfg"].solver == "compression"
    book = "quantizer.vq.layers.3._codebook"
    assert state["model"][f"{book}.inited"].tolist() == [1]
    assert {n for n in state["model"] if n.startswith(book)} == {
        f"{book}.{name}" for name in ("inited", "cluster_size", "embed", "embed_avg")
    }


def test_the_best_state_is_the_last_one_even_when_it_is_worse(tmp_path):
    solver = train(tmp_path / "x", "optim.lr=3.0", "schedule.cosine.warmup=12")
    last = checkpoint.load(tmp_path / "x/checkpoint.th")
    valid = [entry["valid"]["l2"] for entry in solver.history]
    assert valid[-1] > min(valid)
    best = last["best_state"]["model"]
    assert all(torch.equal(best[name], last["model"][name]) for name in best)


def test_a_kill_changes_no_byte(whole, tmp_path):
    shutil.copy(whole / "checkpoint_1.th", tmp_path / "checkpoint.th")
    train(tmp_path)
    assert (tmp_path / "checkpoint.th").read_bytes() == (whole / "checkpoint.th").read_bytes()


def test_the_codebooks_begin_when_the_encoder_has_learnt(tmp_path):
    solver = train(tmp_path / "x", "synthetic.unquantized=4", "optim.epochs=1")
    assert not any(book.inited for book in solver.model.quantizer.codebooks)
    assert solver.history[0]["train"]["penalty"] == 0
    solver = train(tmp_path / "x", "synthetic.unquantized=4", "optim.epochs=2")
    assert all(book.inited for book in solver.model.quantizer.codebooks)
    assert solver.history[1]["train"]["penalty"] > 0


def test_the_metrics_bear_audiocraft_s_names(whole):
    history = checkpoint.load(whole / "checkpoint.th")["history"]
    for entry in history:
        assert list(entry["train"]) == ["lr", "grad_norm", "l2", "mrstft", "penalty"]
        assert list(entry["valid"]) == ["l2", "mrstft"]


def test_a_trained_codec_is_loaded_with_its_codebooks(whole):
    codec = Codec.load(whole / "checkpoint.th")
    assert not any(parameter.requires_grad for parameter in codec.parameters())
    assert all(book.inited for book in codec.quantizer.codebooks)

import math
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import spectral_norm, weight_norm

from stages.common.settings import CODEC_NODES, Settings, Unusable
from stages.validate import encodec
from stages.validate.keys import KeyModel, Shape
from tests.experiments import write_encodec_experiment
from tests.xp_configs import ENCODEC, compose


def model(**values: Any) -> KeyModel:
    dotted = {name.replace("__", "."): value for name, value in values.items()}
    return encodec.key_model(Settings.of(compose(ENCODEC, dotted), CODEC_NODES))


def test_a_training_runs_own_tensors_are_exactly_those_of_its_config(tmp_path: Path):
    folder = write_encodec_experiment(tmp_path)
    checkpoint = torch.load(folder / "checkpoint.th", weights_only=False)
    found = {name: tuple(t.shape) for name, t in checkpoint["best_state"]["model"].items()}
    assert not encodec.key_model(Settings.of(checkpoint["xp.cfg"], CODEC_NODES)).difference(found)


def test_the_published_32_khz_codecs_size():
    keys = model(seanet__dimension=128, seanet__n_filters=64, rvq__bins=2048)
    assert len(keys.shapes) == 116
    assert sum(math.prod(shape) for shape in keys.shapes.values()) == 58_990_022


def shapes_of(module: nn.Module) -> dict[str, Shape]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("norm", encodec.NORMS)
@pytest.mark.parametrize("transposed", [False, True])
def test_torchs_own_convolutions_have_these_tensors(norm: str, transposed: bool):
    kind = nn.ConvTranspose1d if transposed else nn.Conv1d
    layer: nn.Module = kind(3, 5, 7)
    name, tensors = ("convtr", encodec.transposed) if transposed else ("conv", encodec.conv)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch, for the form AudioCraft uses
        if norm in ("weight_norm", "spectral_norm"):
            layer = (weight_norm if norm == "weight_norm" else spectral_norm)(layer)
    inner = nn.ModuleDict({name: layer})
    if norm == "time_group_norm":
        inner["norm"] = nn.GroupNorm(1, 5)
    outer = nn.ModuleDict({name: inner})
    assert dict(tensors("at", 3, 5, 7, norm)) == {f"at.{n}": s for n, s in shapes_of(outer).items()}


def test_torchs_own_lstm_has_these_tensors():
    found = {f"at.lstm.{name}": shape for name, shape in shapes_of(nn.LSTM(6, 6, 2)).items()}
    assert dict(encodec.lstm("at", 6, 2)) == found


def test_a_shortcut_that_is_a_convolution_has_tensors():
    name = "encoder.model.1.shortcut.conv.conv.weight_v"
    assert name not in model().shapes
    assert model(seanet__true_skip=False).shapes[name] == (2, 2, 1)


def test_outer_blocks_may_go_without_norm():
    shapes = model(seanet__disable_norm_outer_blocks=1).shapes
    assert "encoder.model.0.conv.conv.weight" in shapes
    assert "decoder.model.15.conv.conv.weight" in shapes
    assert "encoder.model.3.conv.conv.weight_g" in shapes
    two = model(seanet__disable_norm_outer_blocks=2).shapes
    for inner, outer in (
        ("encoder.model.6.conv.conv", "encoder.model.3.conv.conv"),
        ("decoder.model.9.convtr.convtr", "decoder.model.12.convtr.convtr"),
    ):
        assert f"{inner}.weight_g" in two
        assert f"{outer}.weight" in two
    every = model(seanet__disable_norm_outer_blocks=6).shapes
    assert not any("weight_g" in name for name in every)


def test_one_half_may_have_settings_of_its_own():
    shapes = model(seanet__decoder__n_filters=4).shapes
    assert shapes["encoder.model.0.conv.conv.bias"] == (2,)
    assert shapes["decoder.model.0.conv.conv.bias"] == (64,)


def test_without_an_lstm_the_places_move_up():
    shapes = model(seanet__lstm=0).shapes
    assert not any("lstm" in name for name in shapes)
    assert "encoder.model.14.conv.conv.bias" in shapes


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seanet__ratios", "8,5"),
        ("seanet__ratios", [0]),
        ("seanet__ratios", [2] * 40),
        ("seanet__norm", "batch_norm"),
        ("seanet__n_residual_layers", 10**6),
        ("seanet__lstm", -1),
        ("rvq__n_q", 10**6),
        ("rvq__bins", None),
    ],
)
def test_a_config_that_builds_nothing_is_unfit(key: str, value: Any):
    with pytest.raises(Unusable, match=key.replace("__", ".")):
        model(**{key: value})

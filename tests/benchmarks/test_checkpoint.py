"""The benchmark's checkpoint is one that AudioCraft could have saved."""

import pytest
import torch

from benchmarks.checkpoint import write_checkpoint
from benchmarks.scales import SCALES
from stages.common.checkpoint import Checkpoint
from tests.experiments import write_lm_experiment

MODEL = SCALES["tiny"].model


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.th"


def test_it_has_the_keys_and_types_of_an_experiment(tmp_path, path):
    write_checkpoint(path, MODEL)
    theirs = write_lm_experiment(tmp_path, ema=False) / "checkpoint.th"

    mine, other = (torch.load(each, weights_only=False) for each in (path, theirs))
    assert list(mine) == list(other)
    assert [type(value) for value in mine.values()] == [type(value) for value in other.values()]
    assert list(mine["model"]) == list(mine["best_state"]["model"])
    assert len(mine["optimizer"]["state"]) == len(mine["model"])


def test_every_weight_is_random_and_has_its_own_bytes_in_the_file(path):
    write_checkpoint(path, MODEL)

    package = torch.load(path, weights_only=False)
    best, last = package["best_state"]["model"], package["model"]
    assert {key: tuple(tensor.shape) for key, tensor in best.items()} == MODEL.shapes
    for key, tensor in best.items():
        assert tensor.dtype == torch.float32 and tensor.std() > 0.01
        assert not torch.equal(tensor, last[key])
    assert path.stat().st_size > 16 * MODEL.parameters


def test_without_an_optimizer_there_is_only_the_best_state(path):
    write_checkpoint(path, MODEL, optimizer=False)

    with Checkpoint.open(path) as checkpoint:
        assert list(checkpoint.states) == ["best"]
        assert checkpoint.states["best"].parameters == MODEL.parameters
    assert path.stat().st_size < 5 * MODEL.parameters


def test_the_full_scale_is_musicgen_small_and_fits_15_gigabytes():
    scale = SCALES["full"]

    assert (scale.model.dim, scale.model.heads, scale.model.layers) == (1024, 16, 24)
    assert 4 <= scale.larger.parameters / scale.model.parameters < 5
    assert 6.7e9 < 16 * scale.model.parameters < 6.8e9
    assert scale.bytes_needed < 15e9

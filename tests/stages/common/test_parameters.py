"""The size of a model by its config, held against the checkpoints that such models leave."""

import pytest
from omegaconf import OmegaConf

from pipeline.amounts import count
from stages.common.checkpoint import Checkpoint
from stages.common.experiments import Experiment
from stages.common.parameters import parameters_of
from stages.common.xp_outline import Outline
from tests.experiments import write_encodec_experiment, write_lm_experiment
from tests.xp_configs import LM, compose


def in_file(experiment):
    with Checkpoint.open(experiment.last_checkpoint) as checkpoint:
        return sum(tensor.numel for tensor in checkpoint.state("last").tensors.values())


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"conditioners": None, "n_q": 2},
        {"conditioners": "melody"},
        {"custom": True, "layers": 5, "dim": 24, "card": 77},
        {"codec": "//pretrained/facebook/encodec_32khz"},
    ],
)
def test_a_language_model(tmp_path, asked):
    write_lm_experiment(tmp_path, "1a2b3c4d", epochs=1, save_every=False, **asked)
    experiment = Experiment(tmp_path, "1a2b3c4d")
    assert parameters_of(experiment.outline) == in_file(experiment)


@pytest.mark.parametrize(
    "asked", [{}, {"n_q": 8, "bins": 32, "channels": 2}, {"config_overrides": {"seanet.lstm": 1}}]
)
def test_a_codec(tmp_path, asked):
    write_encodec_experiment(tmp_path, "98dabcc6", epochs=1, save_every=False, **asked)
    experiment = Experiment(tmp_path, "98dabcc6")
    assert parameters_of(experiment.outline) == in_file(experiment)


def test_musicgen_small_has_the_size_that_is_known():
    sizes = {"dim": 1024, "num_heads": 16, "num_layers": 24, "n_q": 4, "card": 2048}
    config = compose(LM, {f"transformer_lm.{name}": value for name, value in sizes.items()})
    assert count(parameters_of(Outline.of(OmegaConf.to_yaml(config))) or 0) == "420.4 M"


@pytest.mark.parametrize(
    ("biases", "more"),
    [
        ({"bias_proj": True}, 4 * 64),
        ({"bias_ff": True}, 2 * (64 + 16)),
        ({"bias_attn": True}, 2 * 2 * 64),
        ({"norm_first": False}, -2 * 16),
        ({"qk_layer_norm": True}, 2 * 4 * 16),
        ({"qk_layer_norm_cross": True}, 2 * 4 * 16),
        ({"layer_scale": 0.1}, 2 * 3 * 16),
        ({"kv_repeat": 2}, -2 * 16 * 16),
        ({"hidden_scale": 2}, -2 * 2 * 2 * 16 * 16),
    ],
)
def test_what_a_setting_adds(tmp_path, biases, more):
    values = {"dim": 16, "num_layers": 2, "n_q": 4, "card": 64}
    config = compose(LM, {f"transformer_lm.{name}": value for name, value in values.items()})
    before = parameters_of(Outline.of(OmegaConf.to_yaml(config)))
    for name, value in biases.items():
        OmegaConf.update(config, f"transformer_lm.{name}", value, force_add=True)
    assert parameters_of(Outline.of(OmegaConf.to_yaml(config))) == before + more


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "solver: jasco",
        "solver: musicgen",
        "solver: musicgen\ntransformer_lm: {dim: 16, card: 4, n_q: 1, num_layers: many}",
        "solver: musicgen\ntransformer_lm: {dim: 1e9, card: 4, n_q: 1, num_layers: 1}",
        "solver: musicgen\ntransformer_lm: {dim: -4, card: 4, n_q: 1, num_layers: 1}",
        "solver: musicgen\ntransformer_lm: {dim: 9999999, card: 4, n_q: 9, num_layers: 999999}",
        "solver: compression",
        "solver: compression\nseanet: {ratios: []}",
        "solver: compression\nseanet: {channels: 1, n_filters: 1, dimension: 1, kernel_size: 1,"
        f" last_kernel_size: 1, ratios: [{', '.join(['2'] * 400)}]}}",
    ],
)
def test_what_does_not_tell(text):
    assert parameters_of(Outline.of(text)) is None

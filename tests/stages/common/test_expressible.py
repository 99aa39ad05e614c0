"""What transformers cannot express is told, setting by setting."""

import pytest

from stages.common.expressible import codec_obstacles, decoder_obstacles, model_obstacles
from stages.common.settings import CODEC_NODES, LM_NODES, Settings
from tests.xp_configs import (
    ENCODEC,
    JASCO,
    LM,
    MAGNET,
    MELODY,
    STEREO,
    STYLE,
    UNCONDITIONAL,
    compose,
)


def lm(**values):
    return Settings.of(compose(LM, values), LM_NODES)


@pytest.mark.parametrize("values", [{}, MELODY, STEREO], ids=["text", "melody", "stereo"])
def test_what_transformers_has_a_class_for_has_no_obstacle(values):
    assert model_obstacles(lm(**values)) == ()


@pytest.mark.parametrize("values", [MAGNET, JASCO], ids=["magnet", "jasco"])
def test_other_kinds_of_models_are_told_by_their_kind(values):
    assert "lm_model is" in decoder_obstacles(lm(**values))[0]


def test_of_a_style_model_only_its_conditioner_is_in_the_way():
    assert decoder_obstacles(lm(**STYLE)) == ()
    (told,) = model_obstacles(lm(**STYLE))
    assert "conditioners.self_wav is of the kind style" in told


def test_a_model_without_conditions_is_a_decoder_but_no_whole_model():
    assert decoder_obstacles(lm(**UNCONDITIONAL)) == ()
    assert "no conditioner" in model_obstacles(lm(**UNCONDITIONAL))[0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lm_model", "transformer_lm_magnet"),
        ("transformer_lm.positional_embedding", "rope"),
        ("transformer_lm.positional_embedding", "sin_rope"),
        ("transformer_lm.qk_layer_norm", True),
        ("transformer_lm.qk_layer_norm_cross", True),
        ("transformer_lm.kv_repeat", 2),
        ("transformer_lm.norm_first", False),
        ("transformer_lm.bias_attn", True),
        ("transformer_lm.bias_ff", True),
        ("transformer_lm.bias_proj", True),
        ("transformer_lm.layer_scale", 0.1),
        ("transformer_lm.past_context", 100),
        ("transformer_lm.causal", False),
        ("transformer_lm.activation", "relu"),
        ("codebooks_pattern.modeling", "parallel"),
        ("codebooks_pattern.delay.delays", [0, 0, 0, 0]),
        ("codebooks_pattern.delay.flatten_first", 1),
        ("interleave_stereo_codebooks.per_timestep", True),
        ("fuser.cross_attention_pos_emb", True),
        ("fuser.sum", ["description"]),
        ("fuser.prepend", ["description"]),
        ("conditioners.description.model", "clap"),
        ("conditioners.description.t5.finetune", True),
    ],
)
def test_a_setting_that_transformers_lacks_is_named(key, value):
    found = model_obstacles(lm(**{key: value}))
    named = key if key.startswith(("fuser", "transformer", "codebooks", "inter")) else key[:23]
    assert any(named in reason for reason in found), found


def test_all_of_them_are_told_at_once():
    values = {"transformer_lm.kv_repeat": 2, "transformer_lm.bias_ff": True}
    reasons = model_obstacles(lm(**values, **{"codebooks_pattern.modeling": "parallel"}))
    assert len(reasons) == 3


def test_a_melody_of_windows_that_transformers_does_not_make_is_named():
    values = MELODY | {"conditioners.self_wav.chroma_stem.winlen": 4096}
    assert "winlen" in model_obstacles(lm(**values))[0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seanet.norm", "spectral_norm"),
        ("seanet.norm", "none"),
        ("seanet.lstm", 0),
        ("seanet.activation", "ReLU"),
        ("seanet.activation_params", {"alpha": 0.5}),
        ("seanet.disable_norm_outer_blocks", 1),
        ("seanet.decoder.final_activation", "Tanh"),
        ("seanet.decoder.trim_right_ratio", 0.5),
        ("seanet.causal", True),
        ("seanet.encoder", {"n_filters": 4}),
        ("encodec.quantizer", "no_quant"),
        ("compression_model", "dac"),
    ],
)
def test_a_codec_that_transformers_lacks_is_named(key, value):
    found = codec_obstacles(Settings.of(compose(ENCODEC, {key: value}), CODEC_NODES))
    assert any(key.removesuffix("_params") in reason for reason in found), found


def test_an_ordinary_codec_has_no_obstacle():
    assert codec_obstacles(Settings.of(compose(ENCODEC, {}), CODEC_NODES)) == ()

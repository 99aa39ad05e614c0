import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.common.settings import LM_NODES, Settings, Unusable
from stages.validate import language_model
from stages.validate.keys import KeyModel
from tests.experiments import write_lm_experiment
from tests.xp_configs import LM, UNCONDITIONAL, compose

T5 = {"model": "t5", "t5": {"name": "t5-base", "finetune": False}}
CHROMA = {
    "model": "chroma_stem",
    "chroma_stem": {"sample_rate": 32000, "n_chroma": 12, "radix2_exp": 14},
}


def model(**values: Any) -> KeyModel:
    dotted = {name.replace("__", "."): value for name, value in values.items()}
    return language_model.key_model(Settings.of(compose(LM, dotted), LM_NODES))


def parameters(keys: KeyModel) -> int:
    return sum(math.prod(shape) for shape in keys.shapes.values())


@pytest.mark.parametrize("kind", ["text", "unconditional", "custom"])
def test_a_training_runs_own_tensors_are_exactly_those_of_its_config(tmp_path: Path, kind: str):
    folder = write_lm_experiment(
        tmp_path, conditioners=None if kind == "unconditional" else "text", custom=kind == "custom"
    )
    checkpoint = torch.load(folder / "checkpoint.th", weights_only=False)
    found = {name: tuple(t.shape) for name, t in checkpoint["best_state"]["model"].items()}
    settings = Settings.of(checkpoint["xp.cfg"], LM_NODES)
    assert not language_model.key_model(settings).difference(found)


@pytest.mark.parametrize(
    ("dim", "heads", "layers", "tensors", "numbers"),
    [
        # As measured on the published models, each with the projection of T5 base.
        (1024, 16, 24, 300, 420_371_456),
        (1536, 24, 48, 588, 1_838_737_920),
    ],
)
def test_the_published_models_sizes(dim: int, heads: int, layers: int, tensors: int, numbers: int):
    keys = model(
        transformer_lm__dim=dim,
        transformer_lm__num_heads=heads,
        transformer_lm__num_layers=layers,
        transformer_lm__card=2048,
        transformer_lm__memory_efficient=True,
    )
    assert (len(keys.shapes), parameters(keys)) == (tensors, numbers)


def test_the_melody_model_keeps_its_projections_and_the_spectrograms_window():
    keys = model(
        conditioners={"self_wav": CHROMA, "description": T5},
        fuser__cross=[],
        fuser__prepend=["self_wav", "description"],
    )
    prefix = "condition_provider.conditioners.self_wav"
    assert keys.shapes[f"{prefix}.output_proj.weight"] == (16, 12)
    assert keys.shapes[f"{prefix}.chroma.spec.window"] == (16384,)
    assert not any("cross_attention" in name for name in keys.shapes)


@pytest.mark.parametrize("setting", ["custom", "memory_efficient"])
def test_attention_is_spelt_by_its_implementation(setting: str):
    name = "transformer.layers.0.self_attn{}.in_proj_weight"
    assert name.format(".mha") in model().shapes
    assert name.format("") in model(**{f"transformer_lm__{setting}": True}).shapes


def test_pytorchs_attention_also_reads_the_custom_spelling_but_not_the_other_way_round():
    plain, custom = model(), model(transformer_lm__custom=True)
    assert not plain.difference(custom.shapes)
    assert custom.difference(plain.shapes)


def test_torchs_own_attention_has_these_tensors():
    for bias in (True, False):
        keys = model(transformer_lm__bias_attn=bias)
        layer = torch.nn.MultiheadAttention(16, 2, bias=bias)
        prefix = "transformer.layers.0.self_attn.mha."
        found = {prefix + name: tuple(t.shape) for name, t in layer.state_dict().items()}
        assert found == {n: s for n, s in keys.shapes.items() if n.startswith(prefix)}


@pytest.mark.parametrize(
    ("values", "name", "shape"),
    [
        ({"bias_ff": True}, "layers.1.linear1.bias", (64,)),
        ({"bias_attn": True}, "layers.1.self_attn.mha.in_proj_bias", (48,)),
        ({"layer_scale": 1e-4}, "layers.0.layer_scale_cross.scale", (16,)),
        ({"custom": True, "qk_layer_norm": True}, "layers.0.self_attn.q_layer_norm.bias", (16,)),
        ({"custom": True, "kv_repeat": 2}, "layers.0.self_attn.in_proj_weight", (32, 16)),
        ({"custom": True, "kv_repeat": 2}, "layers.0.cross_attention.in_proj_weight", (48, 16)),
        ({"custom": True, "positional_embedding": "rope"}, "rope.frequencies", (4,)),
        (
            {"custom": True, "positional_embedding": "sin_rope", "xpos": True},
            "layers.1.self_attn.rope.xpos.decay_rates",
            (4,),
        ),
    ],
)
def test_options_bring_their_tensors(values: dict[str, Any], name: str, shape: tuple[int, ...]):
    keys = model(**{f"transformer_lm__{key}": value for key, value in values.items()})
    assert keys.shapes[f"transformer.{name}"] == shape
    assert model().shapes.get(f"transformer.{name}") != shape


def test_a_norm_at_the_end_comes_with_pre_norm_only():
    assert "out_norm.weight" in model().shapes
    assert "out_norm.weight" not in model(transformer_lm__norm_first=False).shapes


def test_cross_attention_comes_with_the_fuser_or_the_setting():
    name = "transformer.layers.0.norm_cross.weight"
    assert name in model().shapes
    assert name not in model(**UNCONDITIONAL).shapes
    assert name in model(**UNCONDITIONAL, transformer_lm__cross_attention=True).shapes


@pytest.mark.parametrize(
    "conditioner",
    [
        {"model": "theremin", "theremin": {}},
        {"model": "t5", "t5": {"name": "my-own-t5", "finetune": False}},
    ],
)
def test_an_unknown_conditioner_leaves_its_prefix_open(conditioner: dict[str, Any]):
    keys = model(conditioners={"description": conditioner})
    prefix = "condition_provider.conditioners.description."
    assert list(keys.open) == [prefix]
    assert not keys.difference({**keys.shapes, f"{prefix}anything": (3,)})
    assert keys.difference({**keys.shapes, "anything": (3,)})


def test_a_finetuned_t5_is_in_the_checkpoint():
    conditioner = {"model": "t5", "t5": {"name": "t5-base", "finetune": True}}
    keys = model(conditioners={"description": conditioner})
    prefix = "condition_provider.conditioners.description."
    assert list(keys.open) == [f"{prefix}t5."]
    assert f"{prefix}output_proj.weight" in keys.shapes


def test_tables_and_clap_keep_what_they_learnt():
    lut = {"model": "lut", "lut": {"n_bins": 9, "dim": 5, "tokenizer": "whitespace"}}
    clap = {"model": "clap", "clap": {"dim": 6, "quantize": True, "n_q": 2, "bins": 7}}
    shapes = model(conditioners={"genre": lut, "description": clap}).shapes
    prefix = "condition_provider.conditioners"
    assert shapes[f"{prefix}.genre.embed.weight"] == (9, 5)
    assert shapes[f"{prefix}.genre.output_proj.weight"] == (16, 5)
    assert shapes[f"{prefix}.description.quantizer.vq.layers.1._codebook.embed"] == (7, 6)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("transformer_lm.dim", "64"),
        ("transformer_lm.n_q", 0),
        ("transformer_lm.n_q", 10**6),
        ("transformer_lm.num_layers", 10**9),
        ("transformer_lm.num_heads", 3),
        ("transformer_lm.hidden_scale", "wide"),
        ("fuser.cross", "description"),
        ("conditioners", "t5"),
        ("conditioners.description", {**CHROMA, "chroma_stem": {"n_chroma": 12, "radix2_exp": 99}}),
    ],
)
def test_a_config_that_builds_nothing_is_unfit(key: str, value: Any):
    with pytest.raises(Unusable, match=key.partition(".")[0]):
        model(**{key.replace(".", "__"): value})


@given(st.data())
def test_any_tensor_taken_away_added_or_reshaped_shows(data: st.DataObject):
    keys = model(transformer_lm__num_layers=1, transformer_lm__bias_ff=data.draw(st.booleans()))
    name = data.draw(st.sampled_from(sorted(keys.shapes)))
    assert not keys.difference(keys.shapes)
    less = {other: shape for other, shape in keys.shapes.items() if other != name}
    assert keys.difference(less).missing == (name,)
    assert keys.difference({**keys.shapes, f"{name}.x": (1,)}).unexpected == (f"{name}.x",)
    assert keys.difference({**keys.shapes, name: (*keys.shapes[name], 1)}).misshapen

"""AudioCraft's names of a language model as transformers' names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common.musicgen_names import CONDITIONERS, conditioning_parts, decoder_parts
from stages.common.renaming import Part
from stages.common.settings import Unusable
from tests.xp_configs import LM, MELODY, UNCONDITIONAL, compose
from tests.xp_shapes import lm_shapes


@st.composite
def models(draw):
    heads = draw(st.integers(1, 3))
    values = {
        "transformer_lm.num_heads": heads,
        "transformer_lm.dim": 2 * heads * draw(st.integers(1, 4)),
        "transformer_lm.num_layers": draw(st.integers(1, 12)),
        "transformer_lm.n_q": draw(st.integers(1, 9)),
        "transformer_lm.card": draw(st.integers(1, 40)),
        "transformer_lm.custom": draw(st.booleans()),
        **draw(st.sampled_from([{}, UNCONDITIONAL, MELODY])),
    }
    return lm_shapes(compose(LM, values))


@given(models())
def test_every_row_of_the_decoder_is_used_exactly_once(shapes):
    used = {name: [0] * shape[0] for name, shape in shapes.items()}
    for part in decoder_parts(shapes).values():
        rows = range(*(part.rows or slice(None)).indices(shapes[part.name][0]))
        for row in rows:
            used[part.name][row] += 1
    for name, counts in used.items():
        assert set(counts) == ({0} if name.startswith(CONDITIONERS) else {1}), name


@given(models())
def test_queries_keys_and_values_follow_each_other(shapes):
    parts = decoder_parts(shapes)
    for name in [name for name in parts if name.endswith("q_proj.weight")]:
        three = [parts[name.replace("q_proj", f"{role}_proj")] for role in "qkv"]
        dim = shapes[three[0].name][1]
        assert [p.rows for p in three] == [slice(n * dim, (n + 1) * dim) for n in range(3)]
        assert len({part.name for part in three}) == 1
        assert [part.shape(shapes[part.name]) for part in three] == [(dim, dim)] * 3


def test_the_names_are_those_of_transformers():
    parts = decoder_parts(lm_shapes(compose(LM, {"transformer_lm.num_layers": 1})))
    layer = "model.decoder.layers.0"
    source = "transformer.layers.0"
    assert parts[f"{layer}.encoder_attn.v_proj.weight"] == Part(
        f"{source}.cross_attention.mha.in_proj_weight", slice(32, 48)
    )
    assert {name: part.name for name, part in parts.items() if "norm" in name} == {
        f"{layer}.self_attn_layer_norm.weight": f"{source}.norm1.weight",
        f"{layer}.self_attn_layer_norm.bias": f"{source}.norm1.bias",
        f"{layer}.encoder_attn_layer_norm.weight": f"{source}.norm_cross.weight",
        f"{layer}.encoder_attn_layer_norm.bias": f"{source}.norm_cross.bias",
        f"{layer}.final_layer_norm.weight": f"{source}.norm2.weight",
        f"{layer}.final_layer_norm.bias": f"{source}.norm2.bias",
        "model.decoder.layer_norm.weight": "out_norm.weight",
        "model.decoder.layer_norm.bias": "out_norm.bias",
    }


def test_both_conditions_of_a_melody_model_have_their_projection():
    shapes = lm_shapes(compose(LM, MELODY))
    parts = conditioning_parts(shapes, "description", "self_wav")
    assert {name: part.name for name, part in parts.items()} == {
        f"{place}.{kind}": f"{CONDITIONERS}{conditioner}.output_proj.{kind}"
        for conditioner, place in (
            ("description", "enc_to_dec_proj"),
            ("self_wav", "audio_enc_to_dec_proj"),
        )
        for kind in ("weight", "bias")
    }


@pytest.mark.parametrize(
    "name",
    [
        "transformer.rope.frequencies",
        "transformer.layers.0.self_attn.mha.in_proj_bias",
        "transformer.layers.0.self_attn.q_layer_norm.weight",
        "transformer.layers.0.layer_scale_1.scale",
        "linears.0.bias",
    ],
)
def test_a_tensor_without_a_place_is_named(name):
    with pytest.raises(Unusable, match="no place for " + name.replace(".", r"\.")):
        decoder_parts({**lm_shapes(compose(LM, {})), name: (16,)})


def test_a_fused_weight_that_is_not_three_in_one_has_no_place():
    name = "transformer.layers.0.self_attn.in_proj_weight"
    with pytest.raises(Unusable, match="in_proj_weight"):
        decoder_parts({name: (32, 16)})


def test_a_conditioner_without_a_place_is_named():
    shapes = lm_shapes(compose(LM, {})) | {f"{CONDITIONERS}genre.embed.weight": (4, 4)}
    with pytest.raises(Unusable, match=r"genre\.embed"):
        conditioning_parts(shapes, "description")

"""The style conditioner's tensors by its config; ``tests/interop`` compares with AudioCraft's."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common.settings import LM_NODES, Settings, Unusable
from stages.validate import language_model
from stages.validate.keys import KeyModel
from tests.xp_configs import LM, STYLE, compose

PREFIX = "condition_provider.conditioners.self_wav"


def model(**values: Any) -> KeyModel:
    dotted = {f"conditioners.self_wav.style.{name}": value for name, value in values.items()}
    settings = Settings.of(compose(LM, {**STYLE, **dotted}), LM_NODES)
    return language_model.key_model(settings)


def own(keys: KeyModel) -> dict[str, tuple[int, ...]]:
    start = f"{PREFIX}."
    return {n.removeprefix(start): s for n, s in keys.shapes.items() if n.startswith(start)}


def test_the_published_style_conditioner():
    shapes = own(model())
    assert shapes["embed.weight"] == (512, 768) and shapes["embed.bias"] == (512,)
    assert shapes["output_proj.weight"] == (16, 512)
    assert shapes["transformer.layers.7.self_attn.in_proj_weight"] == (1536, 512)
    assert shapes["transformer.layers.0.linear1.weight"] == (2048, 512)
    assert not any(name.startswith("transformer.layers.8") for name in shapes)
    assert shapes["rvq.vq.layers.5._codebook.embed"] == (1024, 512)
    assert shapes["batch_norm.num_batches_tracked"] == ()


def test_one_that_hears_through_a_codec_has_a_table_for_each_codebook():
    shapes = own(model(model_name="encodec", encodec_n_q=3, transformer_scale="xsmall"))
    tables = {name: shape for name, shape in shapes.items() if name.startswith("embed.")}
    assert tables == {f"embed.{index}.weight": (2048, 256) for index in range(3)}


def test_a_codec_that_is_not_known_leaves_the_tables_open():
    keys = model(model_name="encodec", encodec_checkpoint="//sig/98dabcc6")
    assert list(keys.open) == [f"{PREFIX}.embed."]
    assert "//sig/98dabcc6" in keys.open[f"{PREFIX}.embed."]
    assert not keys.difference({**keys.shapes, f"{PREFIX}.embed.0.weight": (64, 512)})


def test_what_is_switched_off_has_no_tensors():
    shapes = own(model(transformer_scale="none", n_q_out=0, batch_norm=False))
    assert {name.partition(".")[0] for name in shapes} == {"output_proj", "embed"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("transformer_scale", "huge"), ("model_name", "ear"), ("n_q_out", 10**9), ("bins", 0)],
)
def test_a_config_that_builds_nothing_is_unfit(name: str, value: Any):
    with pytest.raises(Unusable, match=name):
        model(**{name: value})


@given(st.data())
def test_any_tensor_taken_away_added_or_reshaped_shows(data: st.DataObject):
    keys = model(transformer_scale="xsmall", n_q_out=data.draw(st.integers(0, 2)))
    name = f"{PREFIX}.{data.draw(st.sampled_from(sorted(own(keys))))}"
    less = {other: shape for other, shape in keys.shapes.items() if other != name}
    assert keys.difference(less).missing == (name,)
    assert keys.difference({**keys.shapes, f"{name}.x": (1,)}).unexpected == (f"{name}.x",)
    assert keys.difference({**keys.shapes, name: (*keys.shapes[name], 1)}).misshapen

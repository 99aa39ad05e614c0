"""JASCO's tensors by its config; AudioCraft's own code for it is in no package to compare with."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common.settings import LM_NODES, Settings, Unusable
from stages.validate import model_checks
from stages.validate.keys import KeyModel
from tests.xp_configs import JASCO, LM, compose

WAV = "condition_provider.conditioners.self_wav"


def model(**values: Any) -> KeyModel:
    dotted = {f"transformer_lm.{name}": value for name, value in values.items()}
    keys = model_checks.key_model(Settings.of(compose(LM, {**JASCO, **dotted}), LM_NODES))
    assert isinstance(keys, KeyModel)
    return keys


def test_latents_and_conditions_in_time_enter_side_by_side():
    shapes = model().shapes
    assert shapes["emb.weight"] == (16, 128 + 16 + 2)
    assert shapes["linear.weight"] == (128, 16) and "linear.bias" not in shapes
    assert not any(name.startswith(("emb.0", "linears")) for name in shapes)


def test_its_conditioners_keep_chords_and_projections():
    shapes = model().shapes
    assert shapes["condition_provider.conditioners.chords.emb.weight"] == (195, 16)
    assert "condition_provider.conditioners.chords.output_proj.weight" not in shapes
    assert shapes[f"{WAV}.output_proj.weight"] == (2, 128)
    assert shapes["condition_provider.conditioners.description.output_proj.weight"] == (16, 768)


def test_the_moment_in_the_flow_has_weights_of_its_own():
    shapes = model(time_embedding_dim=8).shapes
    assert shapes["temb.dense.0.weight"] == (32, 8) and shapes["temb.dense.1.bias"] == (32,)
    assert shapes["temb_proj.weight"] == (16, 32)


def test_skip_connections_join_the_halves_of_the_transformer():
    keys = model(skip_connections=True, num_layers=5)
    found = {name: s for name, s in keys.shapes.items() if "skip" in name and "weight" in name}
    assert found == {f"transformer.skip_projections.{i}.weight": (16, 32) for i in (0, 1)}
    assert not any("skip" in name for name in model().shapes)


def test_the_codec_that_it_carries_is_left_open():
    keys = model()
    assert list(keys.open) == [f"{WAV}.compression_model."]
    assert not keys.difference({**keys.shapes, f"{WAV}.compression_model.model.x": (1,)})


def test_a_flow_of_no_width_is_unfit():
    with pytest.raises(Unusable, match="flow_dim"):
        model(flow_dim=0)


@given(st.data())
def test_any_tensor_taken_away_added_or_reshaped_shows(data: st.DataObject):
    keys = model(num_layers=2, skip_connections=data.draw(st.booleans()))
    name = data.draw(st.sampled_from(sorted(keys.shapes)))
    less = {other: shape for other, shape in keys.shapes.items() if other != name}
    assert keys.difference(less).missing == (name,)
    assert keys.difference({**keys.shapes, f"{name}.x": (1,)}).unexpected == (f"{name}.x",)
    assert keys.difference({**keys.shapes, name: (*keys.shapes[name], 1)}).misshapen

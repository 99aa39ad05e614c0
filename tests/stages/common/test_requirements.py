from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from stages.common.checks import FAIL, PASS, SKIPPED, WARN, Outcome
from stages.common.requirements import CODEC_RULES, LM_RULES, requirements
from stages.common.settings import CODEC_NODES, LM_NODES, Settings
from tests.xp_configs import ENCODEC, LM, MAGNET, STYLE, UNCONDITIONAL, compose

SILENT = ["transformer_lm.num_heads", "transformer_lm.activation", "transformer_lm.causal"]


def judged(config: DictConfig) -> Outcome:
    nodes = CODEC_NODES if config.get("solver") == "compression" else LM_NODES
    return requirements(config, Settings.of(config, nodes))


def without(text: str, path: str) -> DictConfig:
    config = compose(text, {})
    OmegaConf.set_struct(config, False)
    parent, _, last = path.rpartition(".")
    del (OmegaConf.select(config, parent) if parent else config)[last]
    return config


@pytest.mark.parametrize("text", [LM, ENCODEC])
def test_a_training_runs_config_has_it_all(text: str):
    assert judged(compose(text, {})).verdict == PASS


def test_an_unconditional_one_too_once_its_conditioners_are_a_node():
    assert judged(compose(LM, UNCONDITIONAL | {"conditioners": {}})).verdict == PASS
    assert judged(compose(LM, UNCONDITIONAL)).verdict == FAIL


@pytest.mark.parametrize("values", [MAGNET, STYLE], ids=["magnet", "style"])
def test_those_of_other_models_too(values: dict[str, Any]):
    assert judged(compose(LM, values)).verdict == PASS


def test_a_style_model_whose_codec_s_name_was_cleaned_away_would_not_load():
    path = "conditioners.self_wav.style.encodec_checkpoint"
    outcome = judged(compose(LM, {**STYLE, path: None}))
    assert outcome.verdict == FAIL and path in outcome.message


@pytest.mark.parametrize("path", LM_RULES)
def test_each_missing_key_of_an_lm_is_named_with_the_override_that_says_it(path: str):
    outcome = judged(without(LM, path))
    assert outcome.verdict == FAIL
    assert f"{path} is missing" in outcome.message
    assert f"export.config_overrides={{{path}: VALUE}}" in outcome.remedy


@pytest.mark.parametrize("path", [p for p in CODEC_RULES if "seanet" in p or "rvq" in p])
def test_each_missing_key_of_a_codec_is_named(path: str):
    outcome = judged(without(ENCODEC, path))
    assert outcome.verdict == FAIL
    assert path in outcome.message


@pytest.mark.parametrize("path", SILENT)
def test_what_would_load_silently_with_other_logits_is_a_failure(path: str):
    assert judged(compose(LM, {path: None})).verdict == FAIL


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"transformer_lm.dim": "???"}, "transformer_lm.dim is missing"),
        ({"transformer_lm.causal": "yes"}, "not true or false"),
        ({"transformer_lm.dim": "${nowhere.at.all}"}, "transformer_lm does not resolve"),
        ({"sample_rate": "${dsp.rate}"}, "sample_rate does not resolve"),
        ({"lm_model": "flow"}, "not one of transformer_lm"),
        ({"codebooks_pattern.modeling": None}, "codebooks_pattern.modeling is missing"),
        ({"codebooks_pattern.modeling": "valle"}, "not one of parallel"),
        ({"transformer_lm.num_heads": 3}, "does not divide"),
        ({"transformer_lm.weight_init": None}, "weight_init is missing, which depthwise_init"),
        ({"conditioners.description.model": "lut"}, "conditioners.description.lut is missing"),
        ({"conditioners.description.t5.finetune": None}, "t5.finetune"),
        ({"fuser.cross": []}, "fuser does not say how to use the conditioner description"),
        ({"conditioners": {}}, "fuser.cross names description"),
        ({"fuser.sum": None}, "fuser.sum is null"),
        ({"dataset.segment_duration": None}, "segment_duration is None, not a number"),
        ({"lm_model": "transformer_lm_magnet"}, "masking.span_len is missing"),
    ],
)
def test_what_the_builders_cannot_use_is_named(values: dict[str, Any], told: str):
    outcome = judged(compose(LM, values))
    assert outcome.verdict == FAIL
    assert told in outcome.message
    assert "\n" not in outcome.message


def test_an_old_config_may_say_its_pattern_within_the_transformer():
    values = {"codebooks_pattern.modeling": None, "transformer_lm.q_modeling": "delay"}
    assert judged(compose(LM, values)).verdict == PASS


def test_what_dangles_where_no_builder_looks_does_no_harm():
    assert judged(compose(LM, {"generate.audio.sample_rate": "${nowhere}"})).verdict == PASS


def test_a_value_from_the_readers_environment_is_worth_a_warning():
    config = compose(LM, {"transformer_lm.checkpointing": "${oc.env:HOME}"})
    assert judged(config).verdict == WARN


def test_the_needs_of_another_solver_are_not_known():
    assert judged(compose(LM, {"solver": "jasco"})).verdict == SKIPPED

"""Traps and expectations: what is worth a warning."""

from typing import Any

import pytest

from stages.common import traps
from stages.common.checks import PASS, SKIPPED, WARN, Outcome
from stages.common.settings import LM_NODES, Settings
from stages.validate import expectations
from tests.xp_configs import LM, compose


def settings(values: dict[str, Any]) -> Settings:
    return Settings.of(compose(LM, values), LM_NODES)


@pytest.mark.parametrize(
    ("solver", "seconds", "verdict"),
    [
        ("musicgen", 18, WARN),
        ("musicgen", 18.5, PASS),
        ("audiogen", 2, WARN),
        ("audiogen", 2.5, PASS),
        ("audio_magnet", 1, SKIPPED),
    ],
)
def test_a_duration_that_get_pretrained_refuses(solver: str, seconds: float, verdict: str):
    outcome = traps.segment_duration(
        settings({"solver": solver, "dataset.segment_duration": seconds})
    )
    assert outcome.verdict == verdict


def test_the_cure_is_an_override_to_type():
    outcome = traps.segment_duration(settings({"dataset.segment_duration": 1}))
    assert outcome.remedy == "'export.config_overrides={dataset.segment_duration: 30}'"
    outcome = traps.segment_duration(settings({"dataset.segment_duration": None}))
    assert outcome.verdict == SKIPPED


def test_a_model_that_takes_no_descriptions():
    assert traps.text(settings({})).verdict == PASS
    assert traps.text(settings({"conditioners": {}})).verdict == WARN
    assert traps.text(settings({"solver": "jasco"})).verdict == SKIPPED


def config(claimed: dict[str, Any], miniature: bool = False) -> Outcome:
    return expectations.config(claimed, compose(LM, {}), miniature)


def test_a_config_as_claimed():
    claimed = {"transformer_lm.dim": 16, "fuser.cross": ["description"], "channels": 1}
    assert config(claimed).verdict == PASS
    assert config({}).verdict == SKIPPED


def test_another_config_names_both_values():
    outcome = config({"transformer_lm.dim": 1024})
    assert outcome.verdict == WARN
    assert "transformer_lm.dim should be 1024, is 16" in outcome.message


def test_a_claim_about_a_key_that_is_not_there_names_the_near_one():
    outcome = config({"transformer_lm.num_head": 2, "a.b.c": 1, "sample_rate.x": 1})
    assert outcome.verdict == WARN
    assert "but transformer_lm.num_heads" in outcome.message


def test_a_miniatures_size_is_not_held_against_it():
    outcome = config({"transformer_lm.dim": 1024}, miniature=True)
    assert outcome.verdict == SKIPPED
    assert "miniature" in outcome.message
    assert expectations.codec("dac_44khz", "dac_24khz", miniature=True).verdict == SKIPPED


def test_solver_and_codec_as_claimed_or_both_named():
    assert expectations.solver("musicgen", "musicgen").verdict == PASS
    assert expectations.solver(None, "musicgen").verdict == SKIPPED
    assert "audiogen" in expectations.solver("musicgen", "audiogen").message
    assert expectations.codec("dac_44khz", "dac_44khz", miniature=False).verdict == PASS
    assert expectations.codec(None, "dac_44khz", miniature=False).verdict == SKIPPED
    outcome = expectations.codec("dac_44khz", "//sig/98dabcc6", miniature=False)
    assert outcome.verdict == WARN
    assert "dac_44khz" in outcome.message
    assert "//sig/98dabcc6" in outcome.message

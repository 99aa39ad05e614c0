from dataclasses import replace
from typing import Any

import pytest

from stages.common import agreement
from stages.common.checks import FAIL, PASS, SKIPPED, WARN, Outcome
from stages.common.codecs import KNOWN, Codec
from stages.common.settings import LM_NODES, Settings, Unusable
from tests.xp_configs import LM, compose

CODEC = KNOWN["facebook/encodec_32khz"]
STEREO = {"interleave_stereo_codebooks.use": True, "channels": 2}


def judged(
    name: str, values: dict[str, Any], codec: Codec = CODEC, trained: float | None = None
) -> Outcome:
    settings = Settings.of(compose(LM, {"transformer_lm.card": 2048, **values}), LM_NODES)
    more = {"trained": trained} if name == "frame_rate" else {}
    outcome: Outcome = getattr(agreement, name)(settings, codec, **more)
    return outcome


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("codebooks", {}),
        ("cardinality", {}),
        ("sample_rate", {}),
        ("channels", {}),
        ("frame_rate", {"transformer_lm.compression_model_framerate": 50}),
        ("codebooks", {**STEREO, "transformer_lm.n_q": 8}),
        ("codebooks", {**STEREO, "interleave_stereo_codebooks.per_timestep": True}),
        ("codebooks", {"compression_model_n_q": 2, "transformer_lm.n_q": 2}),
        ("codebooks", {**STEREO, "compression_model_n_q": 2, "transformer_lm.n_q": 4}),
        ("channels", STEREO),
        (
            "frame_rate",
            {
                **STEREO,
                "interleave_stereo_codebooks.per_timestep": True,
                "transformer_lm.compression_model_framerate": 100,
            },
        ),
    ],
)
def test_what_agrees_passes(name: str, values: dict[str, Any]):
    assert judged(name, values).verdict == PASS


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("codebooks", {"transformer_lm.n_q": 8}, "models 8 streams"),
        ("codebooks", {**STEREO, "transformer_lm.n_q": 4}, "4 codebooks, two channels each"),
        ("codebooks", {"compression_model_n_q": 8, "transformer_lm.n_q": 8}, "has 4 codebooks"),
        ("cardinality", {"transformer_lm.card": 400}, "knows 400 codes"),
        ("sample_rate", {"sample_rate": 16000}, "16000 Hz"),
        ("channels", {"channels": 2}, "for 2 channels"),
        ("channels", {"interleave_stereo_codebooks.use": True}, "gives 2"),
        ("frame_rate", {"transformer_lm.compression_model_framerate": 75}, "75 Hz"),
    ],
)
def test_what_does_not_agree_fails_naming_both(name: str, values: dict[str, Any], told: str):
    outcome = judged(name, values)
    assert outcome.verdict == FAIL
    assert told in outcome.message
    assert CODEC.name in outcome.message
    assert outcome.remedy


def test_stereo_by_interleaving_wants_a_mono_codec():
    outcome = judged("channels", STEREO, replace(CODEC, channels=2))
    assert outcome.verdict == FAIL


def test_a_musicgen_config_tells_the_frame_rate_only_by_the_codec_in_training():
    assert judged("frame_rate", {}).verdict == SKIPPED
    assert judged("frame_rate", {}, trained=50.0).verdict == PASS
    assert judged("frame_rate", {}, trained=75.0).verdict == FAIL


def test_a_frame_rate_that_is_no_number_is_unfit():
    with pytest.raises(Unusable, match="not a number"):
        judged("frame_rate", {"transformer_lm.compression_model_framerate": "fast"})


def delays(values: dict[str, Any]) -> Outcome:
    return agreement.delays(Settings.of(compose(LM, values), LM_NODES))


def test_there_is_one_delay_for_each_stream():
    assert delays({}).verdict == PASS
    assert delays({"codebooks_pattern.delay": None}).verdict == PASS
    assert delays({"codebooks_pattern.modeling": "parallel"}).verdict == SKIPPED


@pytest.mark.parametrize("value", [[0, 1, 2], [0, 2, 1, 3], "0123", [0, 1, 2, "3"]])
def test_delays_that_do_not_fit_fail_with_those_that_do(value: Any):
    outcome = delays({"codebooks_pattern.delay.delays": value})
    assert outcome.verdict == FAIL
    assert "codebooks_pattern.delay.delays: [0, 1, 2, 3]" in outcome.remedy


@pytest.mark.parametrize(
    ("named", "signature", "pretrained", "verdict"),
    [
        ("//sig/98dabcc6", "98dabcc6", None, PASS),
        ("//sig/98dabcc6", "0abc0abc", None, WARN),
        ("//sig/98dabcc6", None, "facebook/encodec_32khz", WARN),
        ("//pretrained/facebook/encodec_32khz", None, "facebook/encodec_32khz", PASS),
        ("//pretrained/facebook/encodec_32khz", None, "facebook/encodec_24khz", WARN),
        ("//pretrained/facebook/encodec_32khz", "98dabcc6", None, WARN),
        ("//sig/98dabcc6", None, "someone/their-codec", SKIPPED),
        ("//sig/98dabcc6", None, None, SKIPPED),
        ("/a/path/checkpoint.th", "98dabcc6", None, SKIPPED),
        (None, "98dabcc6", None, SKIPPED),
    ],
)
def test_a_codec_other_than_the_one_in_training_is_worth_a_warning(
    named, signature, pretrained, verdict
):
    outcome = agreement.trained(named, signature, pretrained)
    assert outcome.verdict == verdict
    if verdict == WARN:
        assert named in outcome.message and "compression=auto" in outcome.remedy

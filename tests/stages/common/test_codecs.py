"""The table of pretrained codecs, and the figures of an own one."""

import math

import pytest
from omegaconf import OmegaConf

from pipeline.errors import FormatError
from stages.common.codecs import KNOWN, Codec, codec_of, is_reference, near_names
from tests.xp_configs import ENCODEC, LM, compose


def test_the_pretrained_codecs_are_as_audiocraft_reports_them():
    figures = {
        name: (c.n_q, c.cardinality, c.sample_rate, c.frame_rate) for name, c in KNOWN.items()
    }
    assert figures == {
        "facebook/encodec_32khz": (4, 2048, 32000, 50.0),
        "facebook/encodec_24khz": (32, 1024, 24000, 75.0),
        "dac_24khz": (32, 1024, 24000, 75.0),
        "dac_44khz": (9, 1024, 44100, 86.1328125),
        "debug_compression_model": (4, 400, 32000, 25.0),
    }
    assert {codec.channels for codec in KNOWN.values()} == {1}


def test_an_own_codec_is_read_through_its_interpolations():
    config = compose(ENCODEC, {"rvq.bins": 400, "channels": 2})
    assert codec_of(config) == Codec("encodec", 4, 400, 32000, 2, 50.0)


def test_the_frame_rate_is_rounded_down_as_audiocraft_does():
    config = compose(ENCODEC, {"sample_rate": 44100, "seanet.ratios": [8, 8, 8]})
    assert codec_of(config).frame_rate == 86.0
    assert math.floor(44100 / 512) == 86


def test_a_language_model_is_no_codec():
    with pytest.raises(FormatError, match="compression_model"):
        codec_of(compose(LM, {}))


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("rvq.n_q", None, "rvq.n_q"),
        ("rvq.n_q", "???", "rvq.n_q"),
        ("rvq.n_q", "${gone}", "rvq.n_q"),
        ("seanet.ratios", ["many"], "not usable"),
        ("seanet.ratios", [0], "not usable"),
        ("encodec.quantizer", "no_quant", "no_quant"),
        ("compression_model", "other", "other"),
    ],
)
def test_a_config_without_the_figures_names_what_is_wrong(key, value, named):
    with pytest.raises(FormatError, match=named) as caught:
        codec_of(compose(ENCODEC, {key: value}))
    assert len(str(caught.value).splitlines()) <= 3


def test_an_empty_config_is_no_codec():
    with pytest.raises(FormatError):
        codec_of(OmegaConf.create({}))


@pytest.mark.parametrize("name", [*KNOWN, "org/name", "Org-1/na.me_2"])
def test_what_can_be_a_reference(name):
    assert is_reference(name)


@pytest.mark.parametrize(
    "name", ["", "encodec_32khz", "org/", "/org/name", "a/b/c", "./codec", "models/codec.bin"]
)
def test_what_cannot(name):
    assert not is_reference(name)


def test_near_names_work_without_the_organisation():
    assert near_names("encodec_32kz")[0] == "facebook/encodec_32khz"
    assert near_names("facebook/encodec_32kz")[0] == "facebook/encodec_32khz"
    assert near_names("dac_44kz")[0] == "dac_44khz"
    assert near_names("something else") == []


def test_a_config_reads_no_environment_of_this_machine(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_12345678")
    config = compose(ENCODEC, {"encodec.quantizer": "${oc.env:HF_TOKEN}"})
    with pytest.raises(FormatError) as refused:
        codec_of(config)
    assert "hf_1234" not in str(refused.value)

"""Models by their configs."""

import pytest
from omegaconf import OmegaConf

from stages.common.architecture import Architecture, Conditioner
from tests.xp_configs import ENCODEC, LM, UNCONDITIONAL, compose


def test_a_language_model():
    assert Architecture.of(compose(LM, {"dataset.segment_duration": 30})) == Architecture(
        title="MusicGen",
        solver="musicgen",
        dim=16,
        layers=2,
        heads=2,
        codebooks=4,
        cardinality=64,
        sample_rate=32000,
        channels=1,
        segment_duration=30,
        conditioners=(Conditioner("description", "t5", "t5-base", ("cross",)),),
    )


def test_a_codec():
    assert Architecture.of(compose(ENCODEC, {"channels": 2})) == Architecture(
        title="EnCodec",
        solver="compression",
        dim=8,
        codebooks=4,
        cardinality=64,
        sample_rate=32000,
        channels=2,
        frame_rate=50.0,
        segment_duration=1,
    )


@pytest.mark.parametrize("solver", ["audiogen", "magnet", "audio_magnet"])
def test_the_solver_names_it(solver):
    assert Architecture.of(compose(LM, {"solver": solver})).title in ("AudioGen", "MAGNeT")


def test_an_unknown_solver_is_named():
    assert Architecture.of(compose(LM, {"solver": "mine"})).title == "A model of the solver mine"


def test_an_unconditional_one():
    assert Architecture.of(compose(LM, UNCONDITIONAL)).conditioners == ()


@pytest.mark.parametrize(
    "values",
    [
        {"transformer_lm": None, "conditioners": "odd", "sample_rate": float("nan")},
        {"transformer_lm.dim": 10**400, "conditioners": [1], "sample_rate": float("inf")},
        {"transformer_lm.dim": "${no.such}", "fuser": 7, "sample_rate": True},
    ],
)
def test_what_makes_no_sense_stays_unknown(values):
    found = Architecture.of(compose(LM, values))
    assert (found.dim, found.sample_rate) == (None, None)


def test_a_codec_of_another_kind_has_no_figures():
    found = Architecture.of(compose(ENCODEC, {"encodec.quantizer": "other"}))
    assert (found.title, found.codebooks, found.sample_rate) == ("EnCodec", None, 32000)


def test_nothing_at_all():
    assert Architecture.of(OmegaConf.create()).solver is None

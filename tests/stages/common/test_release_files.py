"""Which release file is about a model, and that each describes such a model."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from stages.common.architecture import Architecture
from stages.common.release_files import FILES, release_file
from stages.common.settings import LM_NODES, Settings
from stages.validate.model_checks import key_model
from tests.xp_configs import ENCODEC, JASCO, LM, MAGNET, MELODY, STEREO, STYLE, compose

FOLDER = Path(__file__).resolve().parents[3] / "config" / "release"
WIDTHS = {name: width for files in FILES.values() for name, width in files.items()}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "musicgen_melody": MELODY,
    "musicgen_style": STYLE,
    "musicgen_stereo_small": STEREO,
    "magnet_small": MAGNET,
    "jasco_chords_drums": JASCO,
    "audiogen_medium": {"solver": "audiogen"},
}


def claimed(name: str) -> dict[str, Any]:
    """Give the keys of xp.cfg that a release file claims."""
    expect = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())["expect"]
    return {"solver": expect["solver"], **expect["config"]}


def test_every_release_file_is_about_a_kind_of_model():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(WIDTHS)


@pytest.mark.parametrize("name", sorted(set(WIDTHS) - {"encodec_32khz"}))
def test_a_model_as_a_file_claims_is_found_to_be_its(name: str):
    """The keys that it claims are those of such a model, and AudioCraft can build it."""
    values, told = KINDS.get(name, {}), claimed(name)
    config = compose(LM, values)
    assert all(OmegaConf.select(config, key) is not None for key in told)
    config = compose(LM, {**values, **told})
    assert release_file(Architecture.of(config)) == name
    assert not isinstance(key_model(Settings.of(config, LM_NODES)), str)


def test_a_codec_is_found_to_be_one():
    assert release_file(Architecture.of(compose(ENCODEC, {}))) == "encodec_32khz"


@pytest.mark.parametrize("name", sorted(set(WIDTHS) - {"encodec_32khz"}))
def test_a_wider_model_is_another(name: str):
    wider = {**KINDS.get(name, {}), "transformer_lm.dim": int(WIDTHS[name]) + 1}
    assert release_file(Architecture.of(compose(LM, wider))) != name


@pytest.mark.parametrize("values", [STEREO | MELODY, {"solver": "audio_magnet"}, {"solver": "x"}])
def test_there_is_not_a_file_for_everything(values: dict[str, Any]):
    assert release_file(Architecture.of(compose(LM, values))) is None


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        # AudioCraft's cards say 300M, 1.5B, 3.3B and 400M; they leave some parts out.
        ("musicgen_small", 420),
        ("musicgen_medium", 1839),
        ("musicgen_large", 3257),
        ("musicgen_stereo_small", 437),
        ("magnet_small", 420),
        ("jasco_chords_drums", 405),
    ],
)
def test_the_sizes_are_those_of_the_published_models(name: str, millions: int):
    values = {**KINDS.get(name, {}), **claimed(name), "transformer_lm.memory_efficient": True}
    keys = key_model(Settings.of(compose(LM, values), LM_NODES))
    assert not isinstance(keys, str)
    assert round(sum(math.prod(shape) for shape in keys.shapes.values()) / 1e6) == millions

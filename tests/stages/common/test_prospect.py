"""What a release would hold: the codec that it would get, and whether the two fit."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from stages.common.codecs import KNOWN
from stages.common.prospect import Source, figures_of, prospect_of
from stages.common.reading import read
from tests.experiments import (
    rewrite,
    write_encodec_experiment,
    write_exported,
    write_lm_experiment,
    write_reference,
)
from tests.exports import source

HERE = {"checkpoint": "file"}


def prospect(path: Path, **values):
    found, remarks = prospect_of(read(path), Source(HERE, **values))
    assert found is not None
    return found, [remark.what for remark in remarks]


def sizes(found):
    return {file.name: (file.bytes, file.float16) for file in found.files}


@pytest.fixture
def lm(tmp_path):
    write_encodec_experiment(tmp_path)
    return write_lm_experiment(tmp_path, codec="//sig/98dabcc6") / "checkpoint.th"


def test_the_codecs_experiment_is_found_where_the_models_is(tmp_path, lm):
    found, remarks = prospect(lm, dora_dir=tmp_path, follows=True)
    assert remarks == []
    best = read(lm).model.states[0]
    codec = read(tmp_path / "xps/98dabcc6/checkpoint.th").model.states[0]
    assert sizes(found) == {
        "state_dict.bin": (best.bytes, 2 * best.parameters),
        "compression_state_dict.bin": (codec.bytes, codec.bytes),
    }
    assert found.files[0].content == "best state of epoch 1"
    assert found.files[1].content == "weights of //sig/98dabcc6 (best state, epoch 2)"
    assert found.command == "python -m pipeline +release=musicgen_small checkpoint=file"


def test_a_request_has_to_say_where_it_is_when_the_model_is_a_file(tmp_path, lm):
    found, remarks = prospect(lm, dora_dir=tmp_path)
    assert remarks == []
    assert found.command.endswith(f"compression.dora_dir={tmp_path}")


def test_an_experiment_that_is_not_there(tmp_path, lm):
    for place in ({}, {"dora_dir": tmp_path / "elsewhere"}):
        found, (problem,) = prospect(lm, **place)
        assert "//sig/98dabcc6" in problem
        assert list(sizes(found)) == ["state_dict.bin"]


def test_a_reference_weighs_nothing_to_speak_of(tmp_path):
    folder = write_lm_experiment(tmp_path, codec="//pretrained/facebook/encodec_32khz")
    found, remarks = prospect(folder / "checkpoint.th")
    assert remarks == []
    assert found.files[1].content == "the name facebook/encodec_32khz"
    assert found.codec == KNOWN["facebook/encodec_32khz"]


@pytest.mark.parametrize("there", [True, False])
def test_a_codec_that_is_a_path(tmp_path, there):
    path = write_encodec_experiment(tmp_path) / "checkpoint.th"
    codec = str(path if there else path.with_name("gone.th"))
    found, remarks = prospect(write_lm_experiment(tmp_path, codec=codec) / "checkpoint.th")
    assert (len(found.files), len(remarks)) == ((2, 0) if there else (1, 1))


def test_a_codec_that_does_not_fit(tmp_path):
    write_encodec_experiment(tmp_path, n_q=2, bins=32, sample_rate=16000, channels=2)
    folder = write_lm_experiment(tmp_path, codec="//sig/98dabcc6")
    _, remarks = prospect(folder / "checkpoint.th", dora_dir=tmp_path)
    assert len(remarks) == 4
    assert "The LM models 4 streams, the codec gives 2 codebooks." in remarks
    assert "The LM knows 64 codes, the codec has 32 in a codebook." in remarks


def test_a_codec_of_another_kind_is_a_problem(tmp_path):
    write_lm_experiment(tmp_path, "98dabcc6")
    folder = write_lm_experiment(tmp_path, codec="//sig/98dabcc6")
    _, (problem,) = prospect(folder / "checkpoint.th", dora_dir=tmp_path)
    assert "not a codec's" in problem


def test_a_codec_alone(tmp_path):
    found, remarks = prospect(write_encodec_experiment(tmp_path) / "checkpoint.th")
    assert list(sizes(found)) == ["compression_state_dict.bin"] and remarks == []
    assert "+release=encodec_32khz" in found.command


class TestBeside:
    """An exported model whose codec lies beside it."""

    @pytest.fixture
    def state_dict(self, tmp_path, lm):
        return write_exported(tmp_path / "release" / "state_dict.bin", lm)

    def source(self, state_dict):
        codec = state_dict.with_name("compression_state_dict.bin")
        return {"beside": str(codec), "codec": codec}

    def test_its_weights_are_bundled(self, tmp_path, state_dict):
        source = self.source(state_dict)
        write_exported(source["codec"], tmp_path / "xps/98dabcc6/checkpoint.th")
        found, remarks = prospect(state_dict, **source)
        assert (len(found.files), remarks) == (2, [])
        assert f"compression=bundle compression.source={source['beside']}" in found.command

    def test_its_name_is_taken(self, state_dict):
        source = self.source(state_dict)
        write_reference(source["codec"], "debug_compression_model")
        found, remarks = prospect(state_dict, **source)
        assert found.files[1].content == "the name debug_compression_model"
        assert "compression.pretrained=debug_compression_model" in found.command
        assert remarks == ["The LM knows 64 codes, debug_compression_model has 400 in a codebook."]

    def test_one_in_a_repository_that_was_not_downloaded(self, state_dict):
        found, remarks = prospect(state_dict, beside="me/model")
        assert found.files[1].content == "weights of me/model"
        assert (found.files[1].bytes, remarks) == (None, [])
        assert "compression=bundle compression.source=me/model" in found.command


@pytest.mark.parametrize(
    ("values", "release"),
    [
        ({"solver": "audiogen"}, "audiogen_medium"),
        ({"solver": "magnet"}, "magnet_small"),
        ({"solver": "audio_magnet"}, "NAME"),
        ({"conditioners.self_wav": {"model": "chroma_stem"}}, "musicgen_melody"),
    ],
)
def test_the_release_file_that_fits(tmp_path, values, release):
    folder = write_lm_experiment(tmp_path, config_overrides=values)
    assert f"+release={release} " in prospect(folder / "checkpoint.th")[0].command


@pytest.mark.parametrize(
    ("dim", "conditioners", "release"),
    [
        (1024, {}, "musicgen_small"),
        (1536, {}, "musicgen_medium"),
        (2048, {}, "musicgen_large"),
        (2049, {}, "NAME"),
        (1536, {"self_wav": {"model": "chroma_stem"}}, "musicgen_melody"),
        (2048, {"self_wav": {"model": "chroma_stem"}}, "NAME"),
    ],
)
def test_no_release_file_of_a_smaller_model_fits(lm, dim, conditioners, release):
    config = source(lm)["xp.cfg"]
    config.transformer_lm.dim = dim
    OmegaConf.set_struct(config, False)
    config.conditioners = {**config.conditioners, **conditioners}
    found, remarks = prospect(rewrite(lm, xp_cfg=config), follows=True, dora_dir=lm.parents[2])
    assert f"+release={release} " in found.command
    assert [("stands for one of your own" in told) for told in remarks] == [True] * (
        release == "NAME"
    )


def test_a_state_has_to_be_asked_for_where_there_is_no_best_one(lm):
    rewrite(lm, best_state=..., ema=...)
    assert prospect(lm)[0].command.endswith("checkpoint.state=last")


def test_nothing_is_released_of_what_cannot_be_read(tmp_path):
    (tmp_path / "c.th").write_text("text")
    assert prospect_of(read(tmp_path / "c.th"), Source(HERE)) == (None, [])


def test_the_figures_of_a_codec(tmp_path, lm):
    codec = tmp_path / "xps/98dabcc6/checkpoint.th"
    figures = figures_of(codec, None)
    assert figures is not None and figures.cardinality == 64
    assert figures_of(None, "dac_44khz") == KNOWN["dac_44khz"]
    assert figures_of(write_reference(tmp_path / "c.bin", "dac_44khz"), None) == KNOWN["dac_44khz"]
    for path in (None, lm, Path(__file__)):
        assert figures_of(path, None) is None

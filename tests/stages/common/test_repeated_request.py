"""The request that makes a release again, from what its release.json says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from omegaconf import OmegaConf

from pipeline.errors import FormatError, SourceError
from pipeline.layout import STATE_DICT, Outputs, Run
from stages.common.archive import Archive
from stages.common.copies import FolderCopy
from stages.common.known_places import KnownPlaces, run_around
from stages.common.repeated_request import RepeatedRequest, repeated_request
from stages.common.told_release import ToldRelease
from tests.experiments import write_encodec_experiment, write_exported, write_lm_experiment
from tests.releases import CODEC as OWN
from tests.releases import LM as EXPORTED
from tests.releases import REFERENCE, SOURCE

SIG, CODEC_SIG = SOURCE["signature"], OWN["signature"]
HUB = {"kind": "hub", "repo_id": "org/name", "revision": "c" * 40}
URL = {"kind": "url", "url": "https://example.org/checkpoint.th"}


@pytest.fixture
def dora(tmp_path: Path) -> Path:
    """A Dora folder with the two experiments of the facts."""
    write_encodec_experiment(tmp_path / "dora", CODEC_SIG)
    write_lm_experiment(tmp_path / "dora", SIG, codec=f"//sig/{CODEC_SIG}")
    return tmp_path / "dora"


def request(
    folder: Path,
    places: KnownPlaces,
    source: dict[str, Any] | None = None,
    lm: dict[str, Any] | None = None,
    codec: dict[str, Any] = OWN,
    **settings: Any,
) -> RepeatedRequest:
    """Ask what repeats a release with these facts."""
    told = {
        "name": "small",
        "version": "1.0.0",
        "source": {**SOURCE, **(source or {})},
        "settings": {
            "export_lm": {**EXPORTED, **(lm or {})}, "export_compression": codec, **settings,
        },
        "files": {},
    }  # fmt: skip
    return repeated_request(ToldRelease(told), FolderCopy(folder), places)


def test_an_experiment_is_found_by_its_signature_with_its_codec(tmp_path, dora):
    found = request(tmp_path, KnownPlaces(dora_dir=dora), {"epoch_asked": 2, "state": "ema"})
    assert (found.checkpoint, found.compression) == ("dora", "trained")
    assert found.values["checkpoint"] == {
        "sig": f"//sig/{SIG}", "dora_dir": str(dora), "epoch": 2, "state": "ema",
    }  # fmt: skip
    assert found.values["compression"] == {
        "sig": f"//sig/{CODEC_SIG}", "dora_dir": str(dora), "state": "best", "epoch": None,
    }  # fmt: skip


def test_how_the_files_were_written_comes_back(tmp_path, dora):
    export = request(tmp_path, KnownPlaces(dora_dir=dora), lm={"layout": "all_in_one"})
    assert export.values["export"] == {
        "dtype": "float16", "layout": "all_in_one", "config_overrides": {}, "sanitize": False,
        "allow_nonfinite": False,
    }  # fmt: skip
    told = {"removed": ["slurm"], "nonfinite": ["w"], "config_overrides": {"a.b": [1, "x"]}}
    export = request(tmp_path, KnownPlaces(dora_dir=dora), lm=told)
    values = export.values["export"]
    assert values["sanitize"] and values["allow_nonfinite"]
    assert values["config_overrides"] == {"a.b": [1, "x"]}


def test_the_format_comes_from_the_file_itself(tmp_path, dora):
    torch.save({"best_state": {}, "version": "1.4.0"}, tmp_path / STATE_DICT)
    found = request(tmp_path, KnownPlaces(dora_dir=dora))
    assert found.values["export"]["audiocraft_version"] == "1.4.0"


def test_a_text_is_itself_whatever_omegaconf_would_read_in_it(tmp_path, dora):
    texts = {
        "a": "${oc.env:HOME}",
        "f": "\\${oc.env:HOME}",
        "g": "\\\\${oc.env:HOME}",
        "b": "???",
        "c": "1e3",
        "d": 'ü "q" \\ {x}',
        "e": "null",
    }
    found = request(tmp_path, KnownPlaces(dora_dir=dora), lm={"config_overrides": texts})
    written = found.text_with(outputs="/a ${b}")
    assert written.startswith("# @package _global_\n")
    read = OmegaConf.create(yaml.safe_load(written))
    assert read.outputs == "/a ${b}"
    given = read.export.config_overrides
    assert {key: given[key] for key in texts if key != "b"} == {
        key: text for key, text in texts.items() if key != "b"
    }


@pytest.mark.parametrize(
    ("source", "values"),
    [
        (HUB, {"repo_id": "org/name", "revision": "c" * 40}),
        (URL, {"url": URL["url"]}),
    ],
)
def test_what_lies_elsewhere_is_taken_from_there(tmp_path, source, values):
    found = request(tmp_path, KnownPlaces(), source, codec=REFERENCE)
    assert found.checkpoint == source["kind"]
    assert found.values["checkpoint"] == {**values, "epoch": None, "state": "best"}
    assert (found.compression, found.values["compression"]) == (
        *("reference", {"pretrained": "facebook/encodec_32khz"}),
    )


def test_bundled_weights_are_taken_from_their_repository(tmp_path):
    codec = {**OWN, "pretrained": "org/codec", "signature": None}
    found = request(tmp_path, KnownPlaces(), HUB, codec=codec)
    assert (found.compression, found.values["compression"]) == ("bundle", {"source": "org/codec"})


def test_a_codec_alone_needs_no_other(tmp_path, dora):
    source = {"family": "compression", "signature": CODEC_SIG}
    assert request(tmp_path, KnownPlaces(dora_dir=dora), source).compression == "auto"


class TestFiles:
    """Checkpoints that were released as files."""

    def test_only_the_run_knows_where_it_was(self, tmp_path, dora):
        with pytest.raises(SourceError, match="--source FILE"):
            request(tmp_path, KnownPlaces(), {"kind": "file"})
        run = Run(tmp_path / "outputs" / "small" / "variant", Outputs(tmp_path / "outputs"))
        run.release.root.mkdir(parents=True)
        path = dora / "xps" / SIG / "checkpoint.th"
        run.record("collect").parent.mkdir()
        told = f'{{"files": {{}}, "local": {{"path": "{path}", "dora_dir": "{dora}"}}}}'
        run.record("collect").write_text(told)
        assert run_around(str(run.root), FolderCopy(run.release.root)) == run
        found = request(tmp_path, KnownPlaces(run), {"kind": "file", "sha256": "ab" * 32})
        assert found.values["checkpoint"]["path"] == str(path)
        assert found.values["checkpoint"]["sha256"] == "ab" * 32

    def test_one_that_is_still_in_its_experiment_is_found_by_content(self, tmp_path, dora):

        path = dora / "xps" / SIG / "checkpoint_1.th"
        with Archive.open(path) as archive:
            told = {"kind": "file", "archive": archive.directory_digest}
        found = request(tmp_path, KnownPlaces(dora_dir=dora), told)
        assert found.values["checkpoint"]["path"] == str(path)

    def test_a_moved_one_is_taken_from_where_it_is_said_to_be(self, tmp_path, dora):
        path = dora / "xps" / SIG / "checkpoint.th"
        moved = path.rename(tmp_path / "moved.th")
        places = KnownPlaces(dora_dir=dora, source=str(moved))
        assert request(tmp_path, places, {"kind": "file"}).values["checkpoint"]["path"] == str(
            moved
        )
        assert request(tmp_path, places).checkpoint == "file"

    def test_a_signature_stands_for_the_experiments_file(self, tmp_path, dora):
        places = KnownPlaces(dora_dir=dora, source=f"//sig/{SIG}")
        found = request(tmp_path, places, {"kind": "file"})
        assert found.checkpoint == "file" and found.values["checkpoint"]["path"].endswith(".th")

    def test_a_file_in_its_own_experiment_stays_that_experiment(self, tmp_path, dora):
        places = KnownPlaces(source=str(dora / "xps" / SIG / "checkpoint.th"), dora_dir=dora)
        assert request(tmp_path, places).checkpoint == "dora"

    def test_an_exported_codec_is_bundled_and_a_runs_checkpoint_trained(self, tmp_path, dora):
        trained = dora / "xps" / CODEC_SIG / "checkpoint.th"
        exported = write_exported(tmp_path / "codec.bin", trained)
        for path, kind, key in ((exported, "bundle", "source"), (trained, "trained", "path")):
            found = request(tmp_path, KnownPlaces(dora_dir=dora, codec=str(path)))
            assert (found.compression, found.values["compression"][key]) == (kind, str(path))

    def test_a_codec_of_which_nothing_is_known_must_be_named(self, tmp_path, dora):
        with pytest.raises(SourceError, match="--codec FILE"):
            request(tmp_path, KnownPlaces(dora_dir=dora), codec={**OWN, "signature": None})


class TestTrained:
    """Experiments that the pipeline trained itself."""

    def test_the_experiment_is_used_where_it_is(self, tmp_path, dora):
        source = {"kind": "miniature", "codec": f"//sig/{CODEC_SIG}"}
        found = request(tmp_path, KnownPlaces(dora_dir=dora), source)
        assert (found.checkpoint, found.compression, found.trained) == ("miniature", "auto", dora)

    def test_the_miniature_is_trained_again_where_it_is_gone(self, tmp_path):
        source = {"kind": "miniature", "codec": f"//sig/{CODEC_SIG}"}
        found = request(tmp_path, KnownPlaces(), source)
        assert found.trained is None and "trained again" in found.source

    def test_no_release_chooses_what_is_run_here(self, tmp_path, dora):
        source = {"kind": "train", "package": "audiocraft", "overrides": ["dset=evil"]}
        with pytest.raises(SourceError, match="--dora-dir FOLDER"):
            request(tmp_path, KnownPlaces(), source)
        (dora / "xps" / SIG / ".argv.json").write_text('["solver=musicgen/debug"]')
        found = request(tmp_path, KnownPlaces(dora_dir=dora), source)
        assert found.values["checkpoint"]["overrides"] == ["solver=musicgen/debug"]


def test_what_transformers_took_from_elsewhere_comes_from_there_or_from_where_the_run_had_it(
    tmp_path, dora
):
    facts = {"class": "musicgen", "codec": "org/codec", "text_encoder": "t5-base"}
    found = request(tmp_path, KnownPlaces(dora_dir=dora), export_transformers=facts)
    assert found.values["formats"] == ["audiocraft", "transformers"]
    assert found.values["export"]["codec"] == "org/codec"
    run = Run(tmp_path / "outputs" / "small" / "variant", Outputs(tmp_path / "outputs"))
    run.root.mkdir(parents=True)
    (tmp_path / "my t5").mkdir()
    run.config.write_text("outputs: outputs\nexport: {text_encoder: my t5, codec: null}\n")
    found = request(tmp_path, KnownPlaces(run, dora), export_transformers=facts)
    assert found.values["export"]["text_encoder"] == str(tmp_path / "my t5")


@pytest.mark.parametrize("source", [{"kind": None}, {"kind": "../x"}, {"signature": "../../etc"}])
def test_nonsense_in_release_json_leads_nowhere(tmp_path, dora, source):
    with pytest.raises((FormatError, SourceError)):
        request(tmp_path, KnownPlaces(dora_dir=dora), source)

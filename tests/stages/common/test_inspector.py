"""Where WHAT leads, and what is found there."""

import json
import os
from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import pytest

from pipeline.amounts import amount
from pipeline.errors import ConfigError, SourceError
from pipeline.layout import Outputs
from pipeline.sheet import Grid
from stages.common import saving
from stages.common.document import document
from stages.common.inspection import Question
from stages.common.inspection_sheet import sheet
from stages.common.inspector import inspect
from stages.export_lm import ExportLM
from tests.experiments import (
    rewrite,
    write_encodec_experiment,
    write_exported,
    write_lm_experiment,
    write_reference,
)
from tests.exports import collected, export, source
from tests.hub_cache import write_cached
from tests.releases import fabricate, package
from tests.servers import https_server

LM, CODEC = "1a2b3c4d", "98dabcc6"


@pytest.fixture
def dora(ugly, monkeypatch):
    """A Dora folder with an ugly name, which is not the one of the environment."""
    monkeypatch.delenv("AUDIOCRAFT_DORA_DIR", raising=False)
    write_encodec_experiment(ugly, CODEC)
    write_lm_experiment(ugly, LM, codec=f"//sig/{CODEC}")
    return ugly


def ask(what, dora=None, **values):
    return inspect(
        Question(str(what), dora, values.pop("outputs", Outputs(Path("none"))), **values)
    )


def told(found):
    return [remark.what for remark in found.remarks if remark.severity == "problem"]


class TestExperiments:
    """A signature, the folder behind it, and the files in it."""

    @pytest.mark.parametrize("what", [LM, f"//sig/{LM}", f"//sig/{LM}/"])
    def test_a_signature(self, dora, what):
        found = ask(what, dora)
        assert (found.kind, found.sound) == ("experiment", True)
        assert found.path == dora / "xps" / LM
        assert found.models[0].path == dora / "xps" / LM / "checkpoint.th"
        assert [(file.epoch, file.path.name) for file in found.experiment.checkpoints] == [
            (1, "checkpoint_1.th"), (None, "checkpoint.th"),
        ]  # fmt: skip
        assert len(found.prospect.files) == 2
        assert f"checkpoint=dora checkpoint.sig=//sig/{LM}" in found.prospect.command

    def test_its_folder_is_the_same(self, dora):
        assert replace(ask(dora / "xps" / LM), what=LM) == ask(LM, dora)

    def test_a_folder_that_a_request_finds_by_itself_is_not_named(self, dora, monkeypatch):
        assert "checkpoint.dora_dir=" in ask(LM, dora).prospect.command
        monkeypatch.setenv("AUDIOCRAFT_DORA_DIR", str(dora))
        assert "checkpoint.dora_dir=" not in ask(LM, dora).prospect.command

    def test_what_exists_comes_before_a_bare_signature(self, dora, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / LM).write_text("no checkpoint")
        assert ask(LM, dora).kind == "unreadable"
        assert ask(f"//sig/{LM}", dora).kind == "experiment"

    def test_one_that_was_trained_here(self, tmp_path):
        outputs = Outputs(tmp_path)
        write_lm_experiment(outputs.dora, LM)
        assert ask(LM, outputs=outputs).path == outputs.dora / "xps" / LM

    def test_a_file_of_one_epoch_is_asked_for_by_it(self, dora):
        found = ask(dora / "xps" / LM / "checkpoint_1.th")
        assert found.kind == "checkpoint"
        assert found.prospect.command.endswith("checkpoint.epoch=1")
        assert found.prospect.files[0].content == "ema state of epoch 1"
        assert len(found.experiment.checkpoints) == 2

    def test_the_files_of_other_ranks(self, tmp_path):
        write_lm_experiment(tmp_path, LM, fsdp=True)
        files = ask(LM, tmp_path).experiment.checkpoints
        assert [[rank.name for rank in file.ranks] for file in files] == [
            ["checkpoint_1.th.1"], ["checkpoint.th.1"],
        ]  # fmt: skip
        last = tmp_path / "xps" / LM / "checkpoint.th"
        one = last.with_name("checkpoint.th.1")
        assert files[-1].size == last.stat().st_size
        assert files[-1].total == last.stat().st_size + one.stat().st_size
        (everything,) = (grid for grid in sheet(ask(tmp_path)) if isinstance(grid, Grid))
        disk = everything.rows[0][everything.header.index("disk")]
        assert disk == amount(sum(file.total for file in files))

    def test_a_file_that_another_experiment_left_there(self, dora):
        for sig in (LM, CODEC):
            (dora / "xps" / sig / "checkpoint.th").rename(dora / f"{sig}.th")
        path = dora / "xps" / LM / "checkpoint.th"
        (dora / f"{CODEC}.th").rename(path)
        assert told(ask(LM, dora)) == [f"The checkpoint is of the experiment {CODEC}, not {LM}."]
        found = ask(path)
        assert "checkpoint=file" in found.prospect.command and found.experiment is None

    def test_an_interrupted_save(self, dora):
        folder = dora / "xps" / LM
        (folder / "checkpoint.th.tmp").touch()
        for what in (f"//sig/{LM}", folder / "checkpoint.th"):
            found = ask(what, dora)
            assert found.sound and "checkpoint.th.tmp is being written" in found.remarks[0].what
        (folder / "checkpoint.th.old").touch()
        found = ask(LM, dora)
        assert "two files" in told(found)[0]
        assert found.models[0].path.name == "checkpoint_1.th"

    def test_a_run_without_any_checkpoint(self, dora):
        for path in (dora / "xps" / LM).glob("checkpoint*"):
            path.unlink()
        found = ask(LM, dora)
        assert (found.models, found.sound, found.experiment.epochs) == ((), False, 2)
        assert "no last checkpoint" in told(found)[0]

    def test_what_the_file_cannot_say_its_experiment_does(self, dora):
        path = dora / "xps" / LM / "checkpoint.th"
        whole = ask(LM, dora).models[0]
        os.truncate(path, 9000)
        for found in (ask(LM, dora), ask(path)):
            (model,) = found.models
            assert (model.form, found.sound) == ("unreadable", False)
            assert model.architecture == whole.architecture
            assert (model.best, model.history) == (whole.best, whole.history)

    def test_a_dora_folder_and_its_xps(self, dora):
        (dora / "xps" / "no signature").mkdir()
        for path in (dora, dora / "xps"):
            found = ask(path)
            assert (found.kind, found.path) == ("experiments", dora)
            assert [one.signature for one in found.experiments] == [LM, CODEC]
            assert [one.best.value for one in found.experiments] == [4.0, None]


class TestNotThere:
    """What leads nowhere says so, with what is near."""

    def test_a_signature_without_a_folder_to_look_in(self, dora):
        with pytest.raises(SourceError, match=r"where is it\?(?s:.*)--dora-dir /path/to/dora"):
            ask(LM)

    def test_a_misspelt_signature(self, dora):
        with pytest.raises(SourceError, match=f"Near it: //sig/{LM}"):
            ask("1a2b3c4e", dora)
        with pytest.raises(SourceError, match="eight hex digits"):
            ask("//sig/1a2b", dora)
        with pytest.raises(SourceError, match=f"Did you mean //sig/{LM}"):
            ask("1A2B3C4DD", dora)

    def test_a_folder_that_is_no_dora_folder(self, dora):
        with pytest.raises(SourceError, match="Did you mean --dora-dir"):
            ask(LM, dora / "xps")
        with pytest.raises(SourceError, match="no xps folder"):
            ask(LM, dora / "no such")

    def test_a_file(self, dora):
        with pytest.raises(SourceError, match=r"Did you mean .*checkpoint\.th"):
            ask(dora / "xps" / LM / "chekpoint.th")
        with pytest.raises(ConfigError, match="Only https"):
            ask("http://example.org/c.th")

    def test_a_folder_names_what_it_holds(self, tmp_path):
        with pytest.raises(SourceError, match="It is empty"):
            ask(tmp_path)
        (tmp_path / "a.txt").touch()
        (tmp_path / "runs").mkdir()
        with pytest.raises(SourceError, match=r"It holds a\.txt, runs/: name one of them"):
            ask(tmp_path)


class TestFiles:
    """Files that belong to no experiment."""

    def test_a_checkpoint(self, dora, tmp_path):
        path = (dora / "xps" / LM / "checkpoint.th").rename(tmp_path / "it's.th")
        found = ask(path, dora)
        assert (found.kind, found.path, found.sound) == ("checkpoint", path, True)
        assert "checkpoint=file" in found.prospect.command

    def test_exported_ones_say_how_they_are_loaded(self, dora, tmp_path):
        lm = write_exported(tmp_path / "lm.bin", dora / "xps" / LM / "checkpoint.th")
        codec = write_exported(tmp_path / "c.bin", dora / "xps" / CODEC / "checkpoint.th")
        for path, function in ((lm, "load_lm_model"), (codec, "load_compression_model")):
            found = ask(path, dora)
            assert (found.kind, found.sound) == ("file", True)
            assert found.load[-1] == f'model = {function}("{path}")'

    def test_a_reference(self, tmp_path):
        found = ask(write_reference(tmp_path / "c.bin"))
        assert (found.kind, found.prospect, found.sound) == ("file", None, True)


class TestSaves:
    """A file outside of a run's folder that is being saved."""

    def test_one_that_is_not_complete_is_not_released(self, tmp_path):
        path = write_encodec_experiment(tmp_path, CODEC) / "checkpoint.th"
        unnamed = path.rename(tmp_path / "checkpoint.th.tmp")
        found = ask(unnamed)
        assert not found.sound
        assert "being written" in told(found)[0]

    def test_one_that_only_lacks_its_name_is_what_is_inspected(self, tmp_path):
        path = write_encodec_experiment(tmp_path, CODEC) / "checkpoint.th"
        unnamed = path.rename(tmp_path / "checkpoint.th.tmp")
        saving.token(tmp_path / "checkpoint.th").touch()
        named = tmp_path / "checkpoint.th"
        named.write_bytes(b"the one before it")
        for what in (unnamed, named):
            found = ask(what)
            assert found.sound and found.models[0].path == unnamed
            assert "only lacks its name" in found.remarks[0].what


class TestReleases:
    """Folders that were released, here or elsewhere."""

    @pytest.fixture
    def run(self, tmp_path):
        """A run with real weights."""
        write_encodec_experiment(tmp_path, CODEC)
        write_lm_experiment(tmp_path, LM)
        lm, codec = (tmp_path / "xps" / sig / "checkpoint.th" for sig in (LM, CODEC))
        weights = write_exported(tmp_path / "lm.bin", lm).read_bytes()
        made = fabricate(tmp_path / "outputs", weights=weights)
        made.finish(
            "export_compression",
            made.records["export_compression"].facts,
            {"compression_state_dict.bin": write_exported(tmp_path / "c.bin", codec).read_bytes()},
        )
        made.make(package())
        return made.run

    def test_a_release(self, run):
        found = ask(run.release.root)
        assert (found.kind, found.sound, found.prospect) == ("release", True, None)
        assert found.release.name == "musicgen_small"
        assert [model.family for model in found.models] == ["lm", "compression"]
        assert found.load == (
            "from audiocraft.models import MusicGen",
            f'model = MusicGen.get_pretrained("{run.release.root}")',
        )

    def test_its_run(self, run):
        found = ask(run.root)
        assert (found.kind, found.path) == ("run", run.root)
        assert (found.run.release, found.run.variant) == ("musicgen_small", run.root.name)
        assert set(found.run.stages) == {
            "collect", "export_lm", "export_compression", "validate",
        }  # fmt: skip
        assert found.release.name == "musicgen_small"

    @pytest.mark.parametrize("odd", [float("nan"), "text", [1], {"epoch": {}}, None])
    def test_odd_values_in_what_it_says_of_itself(self, run, odd):
        manifest = json.loads(run.release.manifest.read_text())
        values = {"source": {"epoch": odd, "state": odd}, "settings": {"export_lm": odd}}
        run.release.manifest.write_text(json.dumps(manifest | values))
        found = ask(run.release.root)
        assert json.dumps(document(found), allow_nan=False)
        assert len(sheet(found)) > 5

    def test_a_codec_that_does_not_fit(self, run):
        write_reference(run.release.compression, "debug_compression_model")
        problems = told(ask(run.release.root))
        assert "The LM knows 64 codes, debug_compression_model has 400 in a codebook." in problems

    def test_a_damaged_file_is_named(self, run):
        os.truncate(run.release.state_dict, 100)
        problems = told(ask(run.release.root))
        assert any(text.startswith("state_dict.bin: The archive is damaged") for text in problems)
        assert any("release.json says" in text for text in problems)

    def test_a_language_model_without_its_codec(self, tmp_path, dora):
        write_exported(tmp_path / "x" / "state_dict.bin", dora / "xps" / LM / "checkpoint.th")
        found = ask(tmp_path / "x")
        assert found.sound
        assert any("no compression_state_dict.bin beside" in r.what for r in found.remarks)

    def test_runs_that_have_not_come_that_far(self, dora):
        bench = collected(dora, sig=LM, dora_dir=str(dora))
        (bench.run.collect.root / "stage.json").write_text("{}")
        found = ask(bench.run.root)
        assert (found.kind, found.run.stages) == ("run", ("collect",))
        assert found.models[0].path == dora / "xps" / LM / "checkpoint.th"
        bench.do(ExportLM(export()))
        assert ask(bench.run.root).models[0].path == bench.run.export_lm.state_dict
        for path in (bench.run.export_lm.state_dict, bench.run.collect.checkpoint):
            path.unlink()
        assert ask(bench.run.root).models == ()


class TestElsewhere:
    """Addresses, and repositories on the Hub."""

    def test_an_address_is_downloaded_to_where_collect_finds_it(self, dora, tmp_path, monkeypatch):
        served = dora / "xps" / LM
        bench = None
        with https_server(served, tmp_path) as server:
            monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
            url = f"{server.url}/checkpoint.th"
            outputs = Outputs(tmp_path / "outputs")
            found = ask(url, dora, outputs=outputs)
            assert found.path.read_bytes() == (served / "checkpoint.th").read_bytes()
            assert "checkpoint=url" in found.prospect.command
            bench = collected(tmp_path, "url", url=url)
            assert server.asked.count("/checkpoint.th") == 1
        assert bench.run.collect.checkpoint.resolve() == found.path.resolve()

    @pytest.fixture
    def cache(self, tmp_path, monkeypatch):
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        monkeypatch.setenv("AUDIOCRAFT_CACHE_DIR", str(tmp_path / "cache"))
        return tmp_path / "cache"

    @pytest.fixture
    def files(self, dora, tmp_path):
        lm = write_exported(tmp_path / "state_dict.bin", dora / "xps" / LM / "checkpoint.th")
        codec = tmp_path / "compression_state_dict.bin"
        return lm, write_exported(codec, dora / "xps" / CODEC / "checkpoint.th")

    def test_a_repository(self, cache, files):
        write_cached(cache, "me/model", *files)
        found = ask("me/model")
        assert (found.kind, found.sound) == ("release", True)
        assert [model.family for model in found.models] == ["lm", "compression"]
        assert found.load[-1] == 'model = MusicGen.get_pretrained("me/model")'
        assert found.prospect.command.endswith(
            "checkpoint=hub checkpoint.repo_id=me/model "
            "compression=bundle compression.source=me/model"
        )

    def test_a_revision_of_it(self, cache, files):
        write_cached(cache, "me/model", *files, revision="v2")
        assert "checkpoint.revision=v2" in ask("me/model", revision="v2").prospect.command
        with pytest.raises(SourceError, match="HF_HUB_OFFLINE"):
            ask("me/model")

    def test_one_with_a_codec_alone(self, cache, files):
        write_cached(cache, "me/codec", files[1])
        found = ask("me/codec")
        assert [model.family for model in found.models] == ["compression"]
        assert found.load[-1] == 'model = load_compression_model("me/codec")'

    def test_one_whose_codec_is_not_here(self, cache, files):
        write_cached(cache, "me/model", files[0])
        found = ask("me/model")
        assert any("shows no compression_state_dict.bin" in r.what for r in found.remarks)


class TestDocument:
    """The same as JSON."""

    def test_its_keys_are_the_same_for_everything(self, dora, tmp_path):
        (tmp_path / "c.th").write_text("no checkpoint")
        documents = [document(ask(what, dora)) for what in (LM, dora, tmp_path / "c.th")]
        for values in documents:
            assert list(values) == [
                "format", "what", "kind", "path", "models", "experiment", "experiments", "release",
                "run", "prospect", "load", "problems", "hints",
            ]  # fmt: skip
        lm, _, bad = documents
        assert list(lm["models"][0]) == list(bad["models"][0]) == [
            "path", "size", "form", "whole", "family", "version", "signature", "architecture",
            "epochs", "best", "history", "states", "shards", "contents", "keys", "codec",
            "base_model", "base_license", "pretrained",
        ]  # fmt: skip
        assert bad["problems"] == [
            {
                "what": "The file is no checkpoint: torch did not write it.",
                "where": "",
                "remedy": "",
            }
        ]
        assert [hint["what"][:14] for hint in lm["hints"]] == ["The last epoch"]

    def test_no_number_that_json_lacks(self, dora):
        path = dora / "xps" / LM / "checkpoint.th"
        history = source(path)["history"]
        history[-1]["valid"]["ce"] = float("nan")
        rewrite(path, history=history)
        values = document(ask(path))
        assert values["models"][0]["history"][-1]["valid"]["ce"] == "NaN"

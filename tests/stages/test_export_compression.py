"""``compression_state_dict.bin``: a name, an own codec's weights, or an exported one's."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.amounts import amount
from pipeline.errors import OutputError, SourceError
from pipeline.files import file_digest
from pipeline.layout import COMPRESSION
from pipeline.stage import Plan
from stages.common.request_line import override
from stages.export_compression import ExportCompression
from tests import exports
from tests.experiments import (
    rewrite,
    write_encodec_experiment,
    write_exported,
    write_lm_experiment,
    write_reference,
)
from tests.exports import Bench, collected, compression, config_of, export, load, same, source
from tests.hub_cache import write_cached
from tests.servers import https_server

small_disk = exports.small_disk
LM, CODEC = "1a2b3c4d", "98dabcc6"
SPEC = {"n_q": 4, "cardinality": 64, "sample_rate": 32000, "channels": 1, "frame_rate": 50.0}


@pytest.fixture(scope="module")
def dora(tmp_path_factory):
    folder = tmp_path_factory.mktemp('it\'s a "Döra" folder')
    write_lm_experiment(folder, LM)
    write_lm_experiment(folder, "0e1f0e1f", codec="//pretrained/facebook/encodec_32khz")
    write_encodec_experiment(folder, CODEC)
    return folder


def stage(kind: str = "auto", sanitize: bool = True, **values: Any) -> ExportCompression:
    return ExportCompression(compression(kind, **values), export(sanitize=sanitize))


def bench_of(root: Path, dora: Path, sig: str = LM) -> Bench:
    return collected(root, sig=sig, dora_dir=str(dora))


def following(root: Path, codec: str | None, **local: str) -> Bench:
    """Give a bench with a collected language model that was trained on ``codec``."""
    bench = Bench.at(root)
    facts = {"kind": "file", "family": "lm", "codec": codec}
    bench.plans["collect"] = Plan("", facts=facts, local=local)
    return bench


def problem(bench: Bench, asked: ExportCompression) -> str:
    [found] = bench.check(asked)
    assert 1 <= len(str(found).splitlines()) <= 3
    return str(found)


class TestReference:
    """The name of a pretrained codec."""

    def test_the_file_holds_the_name(self, tmp_path, dora):
        bench = bench_of(tmp_path, dora)
        record = bench.do(stage("reference", pretrained="dac_44khz"))
        assert list(load(bench.run.export_compression.compression).items()) == [
            ("pretrained", "dac_44khz"),
            ("exported", True),
            ("version", "1.3.0"),
        ]
        assert record.facts == {
            "form": "reference",
            "pretrained": "dac_44khz",
            "signature": None,
            "epoch": None,
            "state": None,
            "state_digest": None,
            "codec": {
                "n_q": 9,
                "cardinality": 1024,
                "sample_rate": 44100,
                "channels": 1,
                "frame_rate": 86.1328125,
            },
        }

    def test_the_language_model_is_followed_to_it(self, tmp_path, dora):
        bench = bench_of(tmp_path, dora, "0e1f0e1f")
        assert bench.check(stage()) == []
        assert bench.plan(stage()).summary == "reference to facebook/encodec_32khz"
        assert bench.do(stage()).facts["pretrained"] == "facebook/encodec_32khz"
        assert bench.plan(stage()).facts == bench.records["export_compression"].facts

    def test_a_repository_that_is_not_known_is_taken_as_it_is(self, tmp_path, dora):
        bench = bench_of(tmp_path, dora)
        asked = stage("reference", pretrained="org/codec")
        assert bench.check(asked) == []
        assert bench.do(asked).facts["codec"] is None
        assert bench.plan(asked).notes == ()

    def test_one_letter_off_a_known_name_is_noted(self, tmp_path, dora):
        asked = stage("reference", pretrained="facebook/encodec_32kz")
        [note] = bench_of(tmp_path, dora).plan(asked).notes
        assert "facebook/encodec_32khz" in note

    @pytest.mark.parametrize("name", ["encodec_32khz", "dac_44hz", "", "models/codec.bin"])
    def test_a_name_that_is_none(self, tmp_path, dora, name):
        found = problem(bench_of(tmp_path, dora), stage("reference", pretrained=name))
        assert repr(name) in found
        assert "facebook/encodec_32khz" in found

    def test_a_path_has_a_choice_of_its_own(self, tmp_path, dora):
        path = dora / "xps" / CODEC / "checkpoint.th"
        found = problem(bench_of(tmp_path, dora), stage("reference", pretrained=str(path)))
        assert "compression=bundle" in found
        assert "compression=trained" in found


class TestTrained:
    """An EnCodec run of one's own."""

    def test_the_language_model_is_followed_to_it(self, tmp_path, dora):
        bench = bench_of(tmp_path, dora)
        assert bench.check(stage()) == []
        plan = bench.plan(stage())
        record = bench.do(stage())
        path = bench.run.export_compression.compression
        best = source(dora / "xps" / CODEC / "checkpoint.th")["best_state"]["model"]
        loaded = load(path)
        assert list(loaded) == ["best_state", "xp.cfg", "version", "exported"]
        assert same(loaded["best_state"], best)
        parameters = sum(tensor.numel() for tensor in best.values())
        facts = dict(record.facts)
        assert "datasource" in facts.pop("removed")
        assert len(facts.pop("state_digest")) == 64
        assert facts == {
            "form": "weights",
            "pretrained": None,
            "signature": CODEC,
            "epoch": 2,
            "state": "best",
            "codec": SPEC,
            "blanked": [],
            "parameters": parameters,
            "bytes": 4 * parameters,
        }
        assert record.digests == {COMPRESSION: file_digest(path)}
        assert plan.summary == f"EnCodec {CODEC}, best epoch 2, {amount(4 * parameters)}"
        assert plan.size == 4 * parameters
        assert plan.facts.items() <= record.facts.items()

    def test_its_config_is_cleaned_too(self, tmp_path, dora):
        bench = bench_of(tmp_path, dora)
        bench.do(stage())
        content = bench.run.export_compression.compression.read_bytes()
        assert b"secret" not in content
        assert b"someone" not in content
        whole = bench_of(tmp_path / "b", dora)
        whole.do(stage(sanitize=False))
        assert config_of(whole.run.export_compression.compression).slurm.gpus == 4

    def test_its_dtype_is_kept_whatever_the_language_models(self, tmp_path, dora):
        bench = bench_of(tmp_path, dora)
        bench.do(ExportCompression(compression(), export(dtype="float16")))
        loaded = load(bench.run.export_compression.compression)
        assert {tensor.dtype for tensor in loaded["best_state"].values()} == {torch.float32}

    @pytest.mark.parametrize("prefix", ["", "//sig/"])
    def test_by_its_signature(self, tmp_path, dora, prefix):
        bench = bench_of(tmp_path, dora, "0e1f0e1f")
        assert bench.do(stage("trained", sig=prefix + CODEC)).facts["signature"] == CODEC

    def test_in_another_dora_folder(self, tmp_path, dora):
        write_encodec_experiment(tmp_path / "theirs", "abcd1234", bins=32)
        bench = bench_of(tmp_path, dora)
        asked = stage("trained", sig="abcd1234", dora_dir=str(tmp_path / "theirs"))
        assert bench.do(asked).facts["codec"]["cardinality"] == 32
        assert "abcd1234" in problem(bench, stage("trained", sig="abcd1234"))

    def test_by_its_path_gives_the_same_bytes(self, tmp_path, dora):
        by_sig, by_path = bench_of(tmp_path / "a", dora), bench_of(tmp_path / "b", dora)
        by_sig.do(stage("trained", sig=CODEC))
        by_path.do(stage("trained", path=str(dora / "xps" / CODEC / "checkpoint.th")))
        contents = [b.run.export_compression.compression.read_bytes() for b in (by_sig, by_path)]
        assert contents[0] == contents[1]
        assert str(dora).encode() not in contents[0]

    def test_an_epoch_and_a_state(self, tmp_path, dora):
        folder = dora / "xps" / CODEC
        for state, key in (("last", "model"), ("ema", "ema")):
            bench = bench_of(tmp_path / state, dora)
            record = bench.do(stage(epoch=1, state=state))
            assert (record.facts["epoch"], record.facts["state"]) == (1, state)
            package = source(folder / "checkpoint_1.th")
            expected = package["ema"]["state"]["model"] if key == "ema" else package["model"]
            loaded = load(bench.run.export_compression.compression)["best_state"]
            assert same(loaded, dict(expected))

    @pytest.mark.parametrize(
        ("content", "told"), [(b"", "The file is empty"), (b"hello", "torch did not write it")]
    )
    def test_a_file_that_is_no_checkpoint(self, tmp_path, dora, content, told):
        (tmp_path / "codec.th").write_bytes(content)
        asked = stage("trained", path=str(tmp_path / "codec.th"))
        assert told in problem(bench_of(tmp_path / "outputs", dora), asked)

    def test_a_file_of_another_epoch(self, tmp_path, dora):
        path = str(dora / "xps" / CODEC / "checkpoint_1.th")
        bench = bench_of(tmp_path, dora)
        assert bench.check(stage("trained", path=path, epoch=1)) == []
        assert "compression.epoch=null" in problem(bench, stage("trained", path=path, epoch=2))

    def test_a_path_that_the_language_model_names(self, tmp_path, dora):
        path = dora / "xps" / CODEC / "checkpoint.th"
        bench = following(tmp_path, str(path))
        assert bench.check(stage()) == []
        assert bench.do(stage()).facts["signature"] == CODEC

    @pytest.mark.parametrize("both", [True, False])
    def test_one_of_signature_and_path(self, tmp_path, dora, both):
        values = {"sig": CODEC, "path": "x.th"} if both else {}
        found = problem(bench_of(tmp_path, dora), stage("trained", **values))
        assert "compression.sig=//sig/" in found

    def test_an_experiment_that_is_not_there(self, tmp_path, dora):
        assert CODEC in problem(bench_of(tmp_path, dora), stage("trained", sig="98dabcc7"))

    def test_an_epoch_that_is_not_there(self, tmp_path, dora):
        assert "7" in problem(bench_of(tmp_path, dora), stage(epoch=7))

    def test_a_state_that_is_not_there(self, tmp_path, dora):
        write_encodec_experiment(tmp_path, "abcd1234", ema=False)
        asked = stage("trained", sig="abcd1234", dora_dir=str(tmp_path), state="ema")
        assert "ema" in problem(bench_of(tmp_path, dora), asked)

    def test_a_language_model_is_no_codec(self, tmp_path, dora):
        assert "language model" in problem(bench_of(tmp_path, dora), stage("trained", sig=LM))

    def test_a_folder_that_holds_another_experiments_checkpoint(self, tmp_path, dora):
        folder = write_encodec_experiment(tmp_path, "abcd1234")
        rewrite(folder / "checkpoint.th", xp_sig=CODEC)
        asked = stage("trained", sig="abcd1234", dora_dir=str(tmp_path))
        assert "abcd1234" in problem(bench_of(tmp_path, dora), asked)

    def test_no_dora_folder_is_known(self, tmp_path):
        found = problem(following(tmp_path, "//sig/5091833e"), stage())
        assert "compression.dora_dir=" in found
        assert "compression=bundle" in found

    def test_a_file_that_is_gone(self, tmp_path):
        gone = tmp_path / "gone.th"
        assert str(gone) in problem(following(tmp_path, str(gone)), stage())
        assert str(gone) in problem(
            following(tmp_path / "b", None), stage("trained", path=str(gone))
        )

    @pytest.mark.parametrize("codec", [None, "//reference/bd44a852/checkpoint.th"])
    def test_nothing_to_follow(self, tmp_path, codec):
        assert "compression=" in problem(following(tmp_path, codec), stage())

    def test_before_the_language_model_is_trained(self, tmp_path):
        bench = Bench.at(tmp_path)
        bench.plans["collect"] = Plan("", facts={"kind": "miniature", "miniature": True})
        assert bench.check(stage()) == []
        assert bench.plan(stage()).facts == {}
        with pytest.raises(SourceError):
            bench.do(stage())


@pytest.fixture(scope="module")
def shelf(dora, tmp_path_factory):
    """Give a folder with the codec as AudioCraft exports it, in each form."""
    folder = tmp_path_factory.mktemp("shelf")
    checkpoint = dora / "xps" / CODEC / "checkpoint.th"
    for form in ("new", "old", "legacy"):
        write_exported(folder / form / COMPRESSION, checkpoint, form)
    return folder


class TestBundle:
    """The weights of an exported codec."""

    @pytest.mark.parametrize("form", ["new", "old", "legacy"])
    def test_whatever_its_form_the_bytes_are_those_of_the_run(self, tmp_path, dora, shelf, form):
        own = bench_of(tmp_path / "own", dora)
        own.do(stage())
        bench = bench_of(tmp_path / "bundled", dora)
        asked = stage("bundle", source=str(shelf / form))
        assert bench.check(asked) == []
        notes = bench.plan(asked).notes
        assert [note.endswith("kB of memory") for note in notes] == [True] * (form == "legacy")
        record = bench.do(asked)
        assert (
            bench.run.export_compression.compression.read_bytes()
            == own.run.export_compression.compression.read_bytes()
        )
        assert [path.name for path in bench.run.export_compression.root.iterdir()] == [COMPRESSION]
        assert (record.facts["form"], record.facts["codec"]) == ("weights", SPEC)
        assert (record.facts["pretrained"], record.facts["signature"]) == (None, None)
        assert record.facts["epoch"] is None

    def test_a_file_and_its_folder_are_the_same(self, tmp_path, dora, shelf):
        bench = bench_of(tmp_path, dora)
        asked = [
            stage("bundle", source=str(path))
            for path in (shelf / "new", shelf / "new" / COMPRESSION)
        ]
        keys = [one.key(bench.context(one)) for one in asked]
        assert keys[0] == keys[1]
        assert str(shelf) not in str(keys)

    def test_a_file_behind_the_pretrained_prefix(self, tmp_path, shelf):
        bench = following(tmp_path, f"//pretrained/{shelf / 'new'}")
        assert bench.check(stage()) == []
        assert bench.do(stage()).facts["form"] == "weights"

    def test_a_training_checkpoint_has_a_choice_of_its_own(self, tmp_path, dora):
        path = dora / "xps" / CODEC / "checkpoint.th"
        found = problem(bench_of(tmp_path, dora), stage("bundle", source=str(path)))
        assert f"compression=trained {override('compression.path', path)}" in found

    def test_a_reference_holds_no_weights(self, tmp_path, dora):
        path = write_reference(tmp_path / COMPRESSION)
        found = problem(bench_of(tmp_path, dora), stage("bundle", source=str(path)))
        assert "compression=reference compression.pretrained=facebook/encodec_32khz" in found

    def test_a_folder_without_one(self, tmp_path, dora):
        assert COMPRESSION in problem(bench_of(tmp_path, dora), stage("bundle", source=str(dora)))

    @pytest.mark.parametrize("what", ["http://example.com/x.bin", "no such thing", ""])
    def test_what_is_no_source(self, tmp_path, dora, what):
        found = problem(bench_of(tmp_path, dora), stage("bundle", source=what))
        assert what in found
        assert "https://" in found

    def test_what_is_on_the_network_waits_until_it_is_needed(self, tmp_path, dora):
        bench = bench_of(tmp_path, dora)
        keys = []
        for what in ("https://localhost:1/compression_state_dict.bin", "org/no-such-repository"):
            asked = stage("bundle", source=what)
            assert bench.check(asked) == []
            assert what in bench.plan(asked).summary
            keys.append(asked.key(bench.context(asked)))
        assert keys[0] != keys[1]
        with pytest.raises(SourceError):
            bench.do(stage("bundle", source="https://localhost:1/compression_state_dict.bin"))

    def test_behind_an_address(self, tmp_path, dora, shelf, monkeypatch):
        bench = bench_of(tmp_path, dora)
        with https_server(shelf / "new", tmp_path) as served:
            monkeypatch.setenv("SSL_CERT_FILE", str(served.ca))
            asked = stage("bundle", source=f"{served.url}/{COMPRESSION}?token=hush")
            first = asked.key(bench.context(asked))
            record = bench.do(asked)
        assert record.facts["codec"] == SPEC
        assert record.facts["pretrained"] is None
        assert first == asked.key(bench.context(asked)), "a finished download is no change"
        assert "hush" not in str(first) + bench.plan(asked).summary

    def test_in_a_repository_of_the_hubs_cache(self, tmp_path, dora, shelf, monkeypatch):
        write_cached(tmp_path / "cache", "org/codec", shelf / "new" / COMPRESSION)
        monkeypatch.setenv("AUDIOCRAFT_CACHE_DIR", str(tmp_path / "cache"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        bench = bench_of(tmp_path, dora)
        record = bench.do(stage("bundle", source="org/codec"))
        assert (record.facts["form"], record.facts["pretrained"]) == ("weights", "org/codec")
        assert load(bench.run.export_compression.compression)["exported"] is True


class TestCodecAlone:
    """The release of an EnCodec and nothing else."""

    def test_the_collected_checkpoint_is_exported(self, tmp_path, dora):
        bench = bench_of(tmp_path, dora, CODEC)
        assert bench.check(stage()) == []
        assert bench.plan(stage()).size > 0
        record = bench.do(stage())
        loaded = load(bench.run.export_compression.compression)["best_state"]
        best = source(dora / "xps" / CODEC / "checkpoint.th")["best_state"]["model"]
        assert same(loaded, best)
        assert (record.facts["epoch"], record.facts["codec"]) == (2, SPEC)

    def test_in_the_state_that_collect_chose(self, tmp_path, dora):
        bench = collected(tmp_path, sig=CODEC, dora_dir=str(dora), state="ema", epoch=1)
        record = bench.do(stage())
        loaded = load(bench.run.export_compression.compression)["best_state"]
        ema = source(dora / "xps" / CODEC / "checkpoint_1.th")["ema"]["state"]["model"]
        assert same(loaded, dict(ema))
        assert (record.facts["epoch"], record.facts["state"]) == (1, "ema")


def test_there_is_no_such_choice(tmp_path, dora):
    assert "bundle" in problem(bench_of(tmp_path, dora), stage("bundel"))


def test_a_disk_too_small(small_disk, dora):
    bench = bench_of(small_disk, dora)
    assert "disk is too full" in problem(bench, stage())
    with pytest.raises(OutputError, match="disk is too full"):
        bench.do(stage())
    assert not bench.run.export_compression.compression.exists()


def test_the_key_follows_the_codecs_content(tmp_path, dora):
    bench = bench_of(tmp_path, dora)
    other = write_encodec_experiment(tmp_path / "theirs", CODEC, bins=32).parents[1]

    def key(asked):
        return asked.key(bench.context(asked))

    variants = [
        stage(),
        stage(sanitize=False),
        stage(epoch=1),
        stage(state="last"),
        stage(dora_dir=str(other)),
        stage("reference", pretrained="dac_44khz"),
        stage("bundle", source="org/name"),
    ]
    keys = [key(variant) for variant in variants]
    assert all(left != right for i, left in enumerate(keys) for right in keys[:i])
    assert key(stage()) == key(stage("trained", sig=CODEC))
    assert str(dora) not in str(keys)

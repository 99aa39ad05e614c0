"""Collect, from every kind of source."""

import dataclasses
import hashlib
import json
import math
import os
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest

from pipeline.errors import PipelineError, SourceError
from pipeline.layout import STATE_DICT
from pipeline.manifest import digest, pretty
from pipeline.stage import Plan, Record
from stages.collect import Collect
from stages.common import saving
from stages.common.checkpoint import Checkpoint
from tests import exports
from tests.experiments import (
    rewrite,
    write_encodec_experiment,
    write_exported,
    write_lm_experiment,
    write_reference,
)
from tests.exports import Bench, request, source
from tests.hub_cache import write_cached
from tests.servers import https_server

small_disk = exports.small_disk
LM, CODEC, SHARDED, PLAIN = "1a2b3c4d", "98dabcc6", "f5d9f5d9", "0e1f0e1f"


@pytest.fixture(scope="module")
def dora(tmp_path_factory):
    folder = tmp_path_factory.mktemp('it\'s a "Döra" folder')
    write_lm_experiment(folder, LM, epochs=3)
    write_lm_experiment(folder, SHARDED, fsdp=True)
    write_lm_experiment(folder, PLAIN, ema=False)
    write_encodec_experiment(folder, CODEC)
    return folder


@pytest.fixture
def bench(tmp_path):
    return Bench.at(tmp_path / 'it\'s a "bench"')


def of(kind: str = "dora", **values: Any) -> Collect:
    return Collect(request(kind, **values))


def problem(bench: Bench, asked: Collect) -> str:
    """Give the one problem that the check finds, having seen that run refuses too."""
    [found] = bench.check(asked)
    assert 1 <= len(str(found).splitlines()) <= 3
    with pytest.raises(PipelineError):
        bench.do(asked)
    assert not any(bench.run.collect.root.iterdir())
    bench.run.collect.root.rmdir()
    return str(found)


def done(bench: Bench, asked: Collect) -> Record:
    """Check, plan and run; see that the plan promised what the record holds."""
    assert bench.check(asked) == []
    plan = bench.plan(asked)
    record = bench.do(asked)
    assert plan.facts.items() <= record.facts.items()
    assert record.warnings == plan.notes
    folder = bench.run.collect
    assert folder.source.read_text() == pretty(record.facts)
    assert folder.checkpoint.resolve() == Path(record.local["path"]).resolve()
    return record


class TestDora:
    """An experiment by its signature."""

    def test_the_best_state_of_the_last_file(self, bench, dora):
        record = done(bench, of(sig=f"//sig/{LM}", dora_dir=str(dora)))
        path = dora / "xps" / LM / "checkpoint.th"
        with Checkpoint.open(path) as opened:
            best = opened.states["best"]
            assert record.facts == {
                "kind": "dora",
                "signature": LM,
                "family": "lm",
                "form": "training",
                "solver": "musicgen",
                "epoch_asked": None,
                "epochs": 3,
                "epoch": 2,
                "state": "best",
                "state_key": "best_state",
                "state_digest": best.digest(),
                "parameters": best.parameters,
                "dtypes": {"float32": 36},
                "bytes": 4 * best.parameters,
                "codec": "//sig/98dabcc6",
                "base_model": None,
                "miniature": False,
                "archive": opened.archive.directory_digest,
            }
        stat = path.stat()
        assert record.local == {
            "path": str(path),
            "dora_dir": str(dora),
            "size": stat.st_size,
            "mtime_ns": stat.st_mtime_ns,
            "inode": stat.st_ino,
        }
        assert os.readlink(bench.run.collect.checkpoint) == str(path)
        history = json.loads(bench.run.collect.history.read_text())
        assert history == source(path)["history"]

    def test_a_file_that_was_replaced_since_the_plan(self, bench, tmp_path):
        folder = write_lm_experiment(tmp_path / "dora", LM, epochs=2)
        asked = of(sig=LM, dora_dir=str(tmp_path / "dora"))
        bench.plan(asked)
        later = write_lm_experiment(tmp_path / "later", LM, epochs=4) / "checkpoint.th"
        later.rename(folder / "checkpoint.th")
        with pytest.raises(SourceError) as caught:
            bench.do(asked)
        assert str(caught.value).splitlines() == [
            "The checkpoint was replaced since the plan: best state of epoch 1 was planned, "
            "now it has the best state of epoch 3.",
            str(folder / "checkpoint.th"),
            "Run the same command again.",
        ]
        assert not any(bench.run.collect.root.iterdir())
        bench.run.collect.root.rmdir()
        assert done(bench, asked).facts["epoch"] == 3

    def test_another_ranks_file_that_was_replaced_since_the_plan(self, bench, tmp_path):
        folder = write_lm_experiment(tmp_path / "dora", SHARDED, fsdp=True)
        asked = of(sig=SHARDED, dora_dir=str(tmp_path / "dora"), state="last")
        bench.plan(asked)
        one = folder / "checkpoint.th.1"
        rewrite(one, model={key: shard + 1 for key, shard in source(one)["model"].items()})
        with pytest.raises(SourceError, match="replaced since the plan"):
            bench.do(asked)

    def test_nothing_but_a_link_and_two_small_files(self, bench, dora):
        done(bench, of(sig=LM, dora_dir=str(dora)))
        names = {path.name for path in bench.run.collect.root.iterdir()}
        assert names == {"checkpoint.th", "source.json", "history.json"}

    def test_no_path_is_in_the_facts(self, bench, dora):
        record = done(bench, of(sig=LM, dora_dir=str(dora)))
        assert str(dora) not in json.dumps(record.facts, ensure_ascii=False)

    def test_a_relative_folder_is_from_the_working_directory(self, bench, dora, monkeypatch):
        monkeypatch.chdir(dora.parent)
        done(bench, of(sig=LM, dora_dir=dora.name))
        assert Path(os.readlink(bench.run.collect.checkpoint)).is_absolute()

    def test_a_codec(self, bench, dora):
        facts = done(bench, of(sig=CODEC, dora_dir=str(dora))).facts
        assert (facts["family"], facts["solver"], facts["codec"]) == (
            "compression",
            "compression",
            None,
        )
        assert facts["epoch"] == 2

    @pytest.mark.parametrize(
        ("sig", "epoch", "state", "chosen", "from_epoch"),
        [
            (LM, 1, "auto", "ema", 1),
            (LM, 3, "auto", "ema", 3),
            (LM, None, "last", "last", 3),
            (LM, None, "ema", "ema", 3),
            (PLAIN, 1, "auto", "last", 1),
            (SHARDED, None, "auto", "best", 1),
        ],
    )
    def test_epochs_and_states(self, bench, dora, sig, epoch, state, chosen, from_epoch):
        asked = of(sig=sig, dora_dir=str(dora), epoch=epoch, state=state)
        facts = done(bench, asked).facts
        assert (facts["state"], facts["epoch"]) == (chosen, from_epoch)
        assert (facts["epoch_asked"], facts["epochs"]) == (epoch, epoch or facts["epochs"])

    def test_another_epoch_is_other_weights(self, tmp_path, dora):
        digests = {
            done(
                Bench.at(tmp_path / str(epoch)), of(sig=LM, dora_dir=str(dora), epoch=epoch)
            ).facts["state_digest"]
            for epoch in (None, 1, 3)
        }
        assert len(digests) == 3

    def test_the_best_up_to_an_epoch_comes_with_a_warning(self, bench, dora):
        record = done(bench, of(sig=LM, dora_dir=str(dora), epoch=3, state="best"))
        assert record.warnings == ("the weights are the best up to epoch 3, reached at epoch 2",)

    def test_a_state_of_an_fsdp_run_comes_from_all_its_ranks(self, bench, dora):
        asked = of(sig=SHARDED, dora_dir=str(dora), epoch=2)
        plan = bench.plan(asked)
        assert "ema state, from the shards of 2 ranks, of epoch 2" in plan.summary
        facts = done(bench, asked).facts
        assert (facts["state"], facts["dtypes"]) == ("ema", {"float32": 36})
        assert len(facts["shards"]) == 1
        assert "state_digest" in plan.facts  # put together from the directories
        assert plan.facts.items() <= facts.items()

    def test_views_of_a_flat_buffer_are_read_for_their_digest(self, bench, dora):
        asked = of(sig=SHARDED, dora_dir=str(dora), state="last")
        plan, facts = bench.plan(asked), done(bench, asked).facts
        assert "state_digest" not in plan.facts and "state_digest" in facts

    def test_another_rank_that_saved_again_is_collected_again(self, bench, dora, tmp_path):
        copy = tmp_path / "dora"
        shutil.copytree(dora / "xps" / SHARDED, copy / "xps" / SHARDED)
        asked = of(sig=SHARDED, dora_dir=str(copy), state="last")
        before = asked.key(bench.context(asked))
        path = copy / "xps" / SHARDED / "checkpoint.th.1"
        shutil.copy2(path, copy / "again")
        (copy / "again").rename(path)
        assert asked.key(bench.context(asked)) != before

    def test_an_unknown_signature(self, bench, dora):
        assert f"//sig/{LM} (3 epochs, best ce 3.000)" in problem(
            bench, of(sig="1a2b3c4e", dora_dir=str(dora))
        )

    def test_a_signature_that_became_a_number(self, bench, dora):
        assert "checkpoint.sig=//sig/1234e567" in problem(bench, of(sig="inf", dora_dir=str(dora)))

    def test_a_missing_epoch(self, bench, dora):
        found = problem(bench, of(sig=LM, dora_dir=str(dora), epoch=7))
        assert "There are 1, 2, 3: checkpoint.epoch=3" in found

    def test_a_missing_state(self, bench, dora):
        found = problem(bench, of(sig=PLAIN, dora_dir=str(dora), state="ema"))
        assert "It has best, last: checkpoint.state=best" in found

    def test_no_dora_folder(self, bench):
        assert "AUDIOCRAFT_DORA_DIR" in problem(bench, of(sig=LM))

    def test_a_checkpoint_of_another_experiment(self, bench, tmp_path):
        folder = write_lm_experiment(tmp_path, "abcd1234")
        rewrite(folder / "checkpoint.th", xp_sig=LM)
        found = problem(bench, of(sig="abcd1234", dora_dir=str(tmp_path)))
        assert LM in found and "abcd1234" in found and "checkpoint=file" in found

    def test_a_truncated_checkpoint(self, bench, tmp_path):
        path = write_lm_experiment(tmp_path, LM) / "checkpoint.th"
        os.truncate(path, path.stat().st_size // 2)
        found = problem(bench, of(sig=LM, dora_dir=str(tmp_path)))
        assert "damaged" in found and str(path) in found

    def test_a_save_that_is_going_on_is_mentioned(self, bench, tmp_path):
        folder = write_lm_experiment(tmp_path, LM)
        (folder / "checkpoint.th.tmp").touch()
        asked = of(sig=LM, dora_dir=str(tmp_path))
        assert bench.check(asked) == []
        assert "checkpoint.th.tmp" in bench.plan(asked).notes[0]

    def test_a_file_that_happens_to_be_called_like_a_ranks(self, bench, tmp_path):
        path = write_lm_experiment(tmp_path, LM) / "checkpoint.th"
        path.with_name("checkpoint.th.2").write_bytes(b"an older copy")
        asked = of("file", path=str(path))
        assert asked.key(bench.context(asked))
        assert done(bench, asked).facts["signature"] == LM

    def test_a_file_that_lacks_only_its_name_is_taken_and_told(self, bench, tmp_path):
        path = write_lm_experiment(tmp_path, LM) / "checkpoint.th"
        path.rename(saving.unnamed(path))
        asked = of("file", path=str(path))
        assert "not there" in problem(bench, asked)
        saving.token(path).touch()
        for given in (path, saving.unnamed(path)):
            asked = of("file", path=str(given))
            assert "only lacks its name" in bench.plan(asked).notes[0]
        assert bench.do(asked).facts["signature"] == LM

    def test_a_file_that_is_being_saved_is_refused(self, bench, tmp_path):
        path = write_lm_experiment(tmp_path, LM) / "checkpoint.th"
        path.rename(saving.unnamed(path))
        found = problem(bench, of("file", path=str(saving.unnamed(path))))
        assert "is being written" in found and "Wait" in found

    def test_a_file_that_grows_is_being_written(self, bench, tmp_path):
        path = write_lm_experiment(tmp_path, LM) / "checkpoint.th"
        whole, enough = path.read_bytes(), threading.Event()

        def trainer() -> None:
            with path.open("wb", buffering=0) as file:
                for at in range(0, len(whole) - 1000, 500):
                    file.write(whole[at : at + 500])
                    if enough.wait(0.05):
                        break

        with ThreadPoolExecutor(1) as pool:
            pool.submit(trainer)
            while path.stat().st_size == len(whole) or not path.stat().st_size:
                pass
            found = problem(bench, of(sig=LM, dora_dir=str(tmp_path)))
            enough.set()
        assert "is being written: it changes" in found
        assert "cut off" in problem(bench, of(sig=LM, dora_dir=str(tmp_path)))

    def test_an_average_that_was_never_updated_is_told(self, bench, tmp_path):
        path = write_lm_experiment(tmp_path, LM) / "checkpoint.th"
        rewrite(path, ema=source(path)["ema"] | {"count": 0})
        record = done(bench, of(sig=LM, dora_dir=str(tmp_path)))
        assert "never updated" in record.warnings[0]
        assert bench.plan(of(sig=LM, dora_dir=str(tmp_path), state="last")).notes == ()

    def test_a_history_with_numbers_that_json_does_not_know(self, bench, tmp_path):
        path = write_lm_experiment(tmp_path, LM) / "checkpoint.th"
        history = source(path)["history"]
        history[1]["valid"] |= {"ce": math.nan, "ppl": math.inf}
        rewrite(path, history=history)
        assert done(bench, of(sig=LM, dora_dir=str(tmp_path))).facts["epoch"] == 1
        written = json.loads(bench.run.collect.history.read_text())
        assert (written[1]["valid"]["ce"], written[1]["valid"]["ppl"]) == ("NaN", "Infinity")


class TestTrained:
    """What the train stage left."""

    @pytest.fixture
    def trained(self, bench):
        folder = bench.run.outputs.dora
        experiment = write_lm_experiment(folder, LM, config_overrides={"synthetic": {"steps": 8}})
        bench.records["train"] = Record(
            {"signature": LM, "package": "stages.miniature"},
            {"folder": str(experiment), "dora_dir": str(folder)},
        )
        return bench

    def test_the_miniature(self, trained):
        facts = done(trained, of("miniature")).facts
        assert (facts["kind"], facts["miniature"], facts["signature"]) == ("miniature", True, LM)
        assert facts["package"] == "stages.miniature"

    def test_the_miniature_through_another_door(self, trained):
        asked = of(sig=LM, dora_dir=str(trained.run.outputs.dora))
        assert done(trained, asked).facts["miniature"] is True

    def test_what_only_a_resolver_tells_makes_no_miniature(self, bench, tmp_path):
        write_lm_experiment(tmp_path, LM, config_overrides={"synthetic": "${oc.decode:8}"})
        assert done(bench, of(sig=LM, dora_dir=str(tmp_path))).facts["miniature"] is False

    def test_another_package(self, trained):
        asked = of("train", package="stages.miniature", overrides=["optim.epochs=2"])
        facts = done(trained, asked).facts
        assert facts["overrides"] == ["optim.epochs=2"]

    def test_before_it_is_trained_there_is_nothing_wrong(self, bench):
        bench.plans["train"] = Plan("", facts={"package": "p"}, local={"dora_dir": "x"})
        for kind, miniature in (("miniature", True), ("train", False)):
            asked = of(kind, package="p")
            assert bench.check(asked) == []
            facts = bench.plan(asked).facts
            assert (facts["kind"], facts["miniature"], facts["package"]) == (kind, miniature, "p")
            assert "family" not in facts
            assert bench.context(asked).facts("train") == {"package": "p"}
            assert "archive" not in asked.key(bench.context(asked))
        with pytest.raises(SourceError, match="from_stage=train"):
            bench.do(of("miniature"))


class TestFile:
    """A file, new or old."""

    @pytest.mark.parametrize("form", ["new", "old", "legacy"])
    def test_an_exported_one(self, tmp_path, bench, dora, form):
        checkpoint = dora / "xps" / LM / "checkpoint.th"
        path = write_exported(tmp_path / "it's old" / STATE_DICT, checkpoint, form)
        asked = of("file", path=str(path))
        assert bench.check(asked) == []
        plan = bench.plan(asked)
        record = bench.do(asked)
        assert plan.facts.items() <= record.facts.items()
        assert ("state_digest" in plan.facts) is (form != "legacy")
        memory = [note for note in plan.notes if re.search(r"converted, in \d+ kB of memory", note)]
        assert bool(memory) is (form == "legacy")
        facts = record.facts
        assert (facts["kind"], facts["form"], facts["state"]) == ("file", "exported", "best")
        assert (facts["epoch"], facts["epochs"], facts["signature"]) == (None, 0, None)
        with Checkpoint.open(checkpoint) as original:
            expected = original.states["best"].digest()
        assert facts["state_digest"] == expected
        with Checkpoint.open(bench.run.collect.checkpoint) as collected:
            assert collected.archive.directory_digest == facts["archive"]
        assert bench.run.collect.checkpoint.is_symlink() is (form != "legacy")
        assert json.loads(bench.run.collect.history.read_text()) == []

    def test_a_disk_without_room_for_an_old_one(self, tmp_path_factory, small_disk, dora):
        checkpoint = dora / "xps" / LM / "checkpoint.th"
        path = write_exported(tmp_path_factory.mktemp("old") / STATE_DICT, checkpoint, "legacy")
        assert "disk is too full" in problem(Bench.at(small_disk), of("file", path=str(path)))

    def test_a_training_checkpoint_and_its_epoch(self, bench, dora):
        path = dora / "xps" / LM / "checkpoint_2.th"
        facts = done(bench, of("file", path=str(path), epoch=2)).facts
        assert (facts["kind"], facts["signature"], facts["state"]) == ("file", LM, "ema")

    def test_another_epoch_than_the_files(self, bench, dora):
        path = dora / "xps" / LM / "checkpoint_2.th"
        found = problem(bench, of("file", path=str(path), epoch=3))
        assert "of epoch 2, not 3" in found and f"checkpoint.sig=//sig/{LM}" in found

    def test_an_exported_file_has_no_epochs(self, tmp_path, bench, dora):
        path = write_exported(tmp_path / STATE_DICT, dora / "xps" / LM / "checkpoint.th")
        assert "no epoch 1" in problem(bench, of("file", path=str(path), epoch=1))

    def test_epochs_file_without_history(self, tmp_path, bench):
        path = write_lm_experiment(tmp_path, LM) / "checkpoint_1.th"
        rewrite(path, history=..., best_state=..., fsdp_best_state=..., model=..., optimizer=...)
        facts = done(bench, of(sig=LM, dora_dir=str(tmp_path), epoch=1)).facts
        assert (facts["epochs"], facts["epoch"], facts["state"]) == (0, 1, "ema")

    def test_the_sha256_is_checked_when_given(self, tmp_path, bench, dora):
        path = dora / "xps" / LM / "checkpoint.th"
        right = hashlib.sha256(path.read_bytes()).hexdigest()
        wrong = of("file", path=str(path), sha256="0" * 64)
        assert bench.check(wrong) == []
        with pytest.raises(SourceError, match=f"the sha256 {right}, not the one"):
            bench.do(wrong)
        bench = Bench.at(tmp_path / "right")
        assert (
            done(bench, of("file", path=str(path), sha256=right.upper())).facts["sha256"] == right
        )

    @pytest.mark.parametrize("sha256", ["abc", "g" * 64])
    def test_a_sha256_that_is_none(self, bench, dora, sha256):
        path = dora / "xps" / LM / "checkpoint.th"
        [found] = bench.check(of("file", path=str(path), sha256=sha256))
        assert "64 hex digits" in str(found)

    def test_a_missing_file_and_its_near_names(self, bench, dora):
        path = dora / "xps" / LM / "chekpoint.th"
        assert f"Did you mean {path.with_name('checkpoint.th')}" in problem(
            bench, of("file", path=str(path))
        )

    def test_a_folder(self, bench, dora):
        folder = dora / "xps" / LM
        assert f"Did you mean {folder / 'checkpoint.th'}?" in problem(
            bench, of("file", path=str(folder))
        )

    def test_another_ranks_file(self, bench, dora):
        path = dora / "xps" / SHARDED / "checkpoint.th.1"
        assert f"Give that of rank 0: {path.with_suffix('')}" in problem(
            bench, of("file", path=str(path))
        )

    def test_a_reference_holds_no_weights(self, tmp_path, bench):
        path = write_reference(tmp_path / "compression_state_dict.bin")
        assert "compression=reference" in problem(bench, of("file", path=str(path)))

    def test_a_codec_by_its_path_stays_on_this_machine(self, tmp_path, bench):
        codec = "/home/someone/codec.th"
        path = write_lm_experiment(tmp_path, LM, codec=codec) / "checkpoint.th"
        record = done(bench, of("file", path=str(path)))
        assert record.facts["codec"] is None
        assert record.local["codec"] == codec
        path = write_lm_experiment(tmp_path / "b", LM, codec=f"//pretrained/{codec}")
        record = done(Bench.at(tmp_path / "c"), of("file", path=str(path / "checkpoint.th")))
        assert (record.facts["codec"], record.local["codec"]) == (None, f"//pretrained/{codec}")


class Proof:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.path}'",)


@pytest.mark.parametrize("form", ["archive", "legacy"])
def test_nothing_in_a_pickle_runs(tmp_path, bench, form):
    import torch

    path = write_lm_experiment(tmp_path, LM) / "checkpoint.th"
    package = source(path) | {"optimizer": Proof(tmp_path / "proof")}
    torch.save(package, path, _use_new_zipfile_serialization=form == "archive")
    asked = of("file", path=str(path))
    with pytest.raises(PipelineError, match=r"posix\.system"):
        bench.do(asked)
    assert bool(bench.check(asked)) is (form == "archive")
    assert not (tmp_path / "proof").exists()


class TestURL:
    """A file behind an https:// address."""

    @pytest.fixture
    def server(self, tmp_path, dora, monkeypatch):
        write_exported(tmp_path / "served" / STATE_DICT, dora / "xps" / LM / "checkpoint.th")
        with https_server(tmp_path / "served", tmp_path) as served:
            monkeypatch.setenv("SSL_CERT_FILE", str(served.ca))
            yield served

    def test_it_is_downloaded_once(self, tmp_path, bench, server):
        url = f"{server.url}/{STATE_DICT}"
        asked = of("url", url=url)
        assert bench.plan(asked).facts == {"kind": "url", "miniature": False, "url": url}
        before = asked.key(bench.context(asked))
        record = done(bench, asked)
        content = (tmp_path / "served" / STATE_DICT).read_bytes()
        assert record.facts["sha256"] == hashlib.sha256(content).hexdigest()
        assert (record.facts["kind"], record.facts["url"]) == ("url", url)
        assert bench.run.collect.checkpoint.resolve().is_relative_to(bench.run.outputs.root)
        assert asked.key(bench.context(asked)) == before
        assert bench.plan(asked).facts.items() <= record.facts.items()
        again = Bench(dataclasses.replace(bench.run, root=bench.run.root / "again"))
        assert again.do(asked).facts == record.facts
        assert server.asked == [f"/{STATE_DICT}"]

    def test_the_sha256_is_checked_when_given(self, tmp_path, bench, server):
        url = f"{server.url}/{STATE_DICT}"
        right = hashlib.sha256((tmp_path / "served" / STATE_DICT).read_bytes()).hexdigest()
        with pytest.raises(SourceError, match=right):
            bench.do(of("url", url=url, sha256="0" * 64))
        assert done(Bench.at(tmp_path / "b"), of("url", url=url, sha256=right)).facts

    def test_a_key_in_the_address_is_nowhere(self, bench, server):
        asked = of("url", url=f"{server.url}/{STATE_DICT}?key=secret")
        record = done(bench, asked)
        assert "secret" not in str((record, asked.key(bench.context(asked)), bench.plan(asked)))

    def test_http_is_refused(self, bench):
        assert "Only https" in problem(bench, of("url", url="http://x.org/state_dict.bin"))


class TestHub:
    """A repository, from a cache and without a network."""

    @pytest.fixture
    def commit(self, tmp_path, dora, monkeypatch):
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        monkeypatch.setenv("AUDIOCRAFT_CACHE_DIR", str(tmp_path / "hub"))
        path = write_exported(tmp_path / "x" / STATE_DICT, dora / "xps" / LM / "checkpoint.th")
        return write_cached(tmp_path / "hub", "me/small", path)

    def test_the_commit_is_recorded(self, tmp_path, bench, commit):
        asked = of("hub", repo_id="me/small")
        assert bench.check(asked) == []
        assert bench.plan(asked).facts["revision"] == "main"
        facts = bench.do(asked).facts
        assert (facts["kind"], facts["repo_id"], facts["revision"]) == ("hub", "me/small", commit)
        content = (tmp_path / "x" / STATE_DICT).read_bytes()
        assert facts["sha256"] == hashlib.sha256(content).hexdigest()
        assert asked.key(bench.context(asked))["repo_id"] == "me/small"

    def test_what_is_not_there(self, bench, commit):
        asked = of("hub", repo_id="me/large")
        assert bench.check(asked) == []
        assert bench.plan(asked).summary == "download me/large"
        with pytest.raises(SourceError, match="me/large"):
            bench.do(asked)

    def test_what_is_no_id(self, bench):
        assert "no Hub id" in problem(bench, of("hub", repo_id="small"))


class TestAuto:
    """Anything: //sig/SIG, then the loading order."""

    def test_a_signature_is_the_same_as_dora(self, tmp_path, dora):
        by_auto, by_dora = Bench.at(tmp_path / "a"), Bench.at(tmp_path / "b")
        record = done(by_auto, of("auto", source=f"//sig/{LM}", dora_dir=str(dora)))
        assert record == done(by_dora, of(sig=LM, dora_dir=str(dora)))

    def test_a_signature_without_a_folder(self, bench):
        assert "checkpoint.dora_dir=" in problem(bench, of("auto", source=f"//sig/{LM}"))

    def test_a_file_and_a_folder(self, tmp_path, dora):
        path = write_exported(tmp_path / "x" / STATE_DICT, dora / "xps" / LM / "checkpoint.th")
        records = [
            done(Bench.at(tmp_path / str(index)), of("auto", source=str(what)))
            for index, what in enumerate((path, path.parent))
        ]
        assert records[0] == records[1] and records[0].facts["kind"] == "file"

    def test_an_address_and_a_hub_id(self, bench, monkeypatch):
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        for what, kind in (("https://x.org/state_dict.bin", "url"), ("me/small", "hub")):
            asked = of("auto", source=what)
            assert bench.check(asked) == []
            assert bench.plan(asked).facts["kind"] == kind

    def test_an_address_is_downloaded(self, tmp_path, bench, dora, monkeypatch):
        write_exported(tmp_path / "served" / STATE_DICT, dora / "xps" / LM / "checkpoint.th")
        with https_server(tmp_path / "served", tmp_path) as served:
            monkeypatch.setenv("SSL_CERT_FILE", str(served.ca))
            assert done(bench, of("auto", source=f"{served.url}/{STATE_DICT}")).facts["sha256"]

    def test_what_leads_nowhere(self, bench):
        assert "no Hub id" in problem(bench, of("auto", source="nowhere"))


def test_all_settings_that_are_wrong_are_told_at_once(bench, dora):
    asked = of(sig=LM, dora_dir=str(dora), state="bset", epoch=0)
    found = [str(one) for one in bench.check(asked)]
    assert len(found) == 2
    assert "Did you mean checkpoint.state=best?" in found[0]
    assert "epochs count from 1" in found[1]


def test_a_choice_that_does_not_exist(bench):
    assert "Did you mean dora?" in problem(bench, of("dorra"))


class TestKey:
    """What makes collect run again."""

    def test_the_file_is_recognised_without_reading_it(self, bench, tmp_path):
        path = write_lm_experiment(tmp_path, LM) / "checkpoint.th"
        asked = of(sig=LM, dora_dir=str(tmp_path))

        def key() -> str:
            return digest(asked.key(bench.context(asked)))

        first = key()
        assert key() == first
        os.utime(path, ns=(1, 1))
        touched = key()
        package = source(path)
        rewrite(path, history=package["history"][:1])
        assert len({first, touched, key()}) == 3

    def test_it_holds_no_path(self, bench, dora):
        asked = of(sig=LM, dora_dir=str(dora))
        key = asked.key(bench.context(asked))
        assert str(dora) not in str(key) and {"size", "mtime_ns", "inode", "archive"} <= set(key)

    def test_epoch_and_state_are_part_of_it(self, bench, dora):
        keys = [
            digest(one.key(bench.context(one)))
            for one in (
                of(sig=LM, dora_dir=str(dora)),
                of(sig=LM, dora_dir=str(dora), state="last"),
                of(sig=LM, dora_dir=str(dora), epoch=3),
            )
        ]
        assert len(set(keys)) == 3

    def test_an_old_file_is_not_read_for_it(self, bench, dora, tmp_path):
        checkpoint = dora / "xps" / LM / "checkpoint.th"
        path = write_exported(tmp_path / STATE_DICT, checkpoint, "legacy")
        asked = of("file", path=str(path))
        assert asked.key(bench.context(asked))["archive"] is None


def test_the_base_model_is_a_fact(bench, tmp_path):
    write_lm_experiment(
        tmp_path, LM, config_overrides={"continue_from": "//pretrained/facebook/musicgen-small"}
    )
    facts = done(bench, of(sig=LM, dora_dir=str(tmp_path))).facts
    assert facts["base_model"] == "facebook/musicgen-small"

"""``python -m pipeline.reproduce``: the same bytes again, or which of them are not, and why."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.files import file_digest
from pipeline.layout import COMPRESSION, RELEASE_JSON, SHA256SUMS, STATE_DICT
from pipeline.manifest import format_sums
from pipeline.reproduce import main
from stages.common.checkpoint import Checkpoint
from stages.common.stored import StoredTensor
from tests.command import CODEC, LM, Place, command, environment, make_place, pipeline, tree
from tests.hub import Hub

CORE = [COMPRESSION, RELEASE_JSON, STATE_DICT]


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place where a release was made."""
    place = make_place(tmp_path_factory.mktemp("origin"))
    done = pipeline(*place.request, "validate=off", cwd=place.root)
    assert done.returncode == 0, done.stderr
    return place


@dataclass(frozen=True)
class Elsewhere:
    """The release and the experiments, copied to another place: what somebody else has."""

    root: Path

    @property
    def release(self) -> Path:
        return self.root / "a copy"

    @property
    def dora(self) -> Path:
        return self.root / "dora"

    @property
    def checkpoint(self) -> Path:
        return self.dora / "xps" / LM / "checkpoint.th"

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    def relist(self) -> None:
        """Bring SHA256SUMS up to date, as whoever forges a release does."""
        sums = {name: file_digest(self.release / name) for name in CORE}
        (self.release / SHA256SUMS).write_text(format_sums(sums))


@pytest.fixture
def elsewhere(origin: Place, ugly: Path, monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    place = Elsewhere(ugly)
    shutil.copytree(origin.release(), place.release)
    shutil.copytree(origin.dora, place.dora)
    place.temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(place.temporary))
    return place


Reproduce = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def reproduce(capsys: pytest.CaptureFixture[str]) -> Reproduce:
    """Reproduces; gives the exit status, the JSON document and the error stream."""

    def run(*arguments: object) -> tuple[int, dict[str, Any], str]:
        status = main([*map(str, arguments), "--json"])
        out, err = capsys.readouterr()
        return status, json.loads(out), err

    return run


def different(found: dict[str, Any]) -> list[str]:
    return [file["names"][0] for file in found["files"] if file["verdict"] != "identical"]


def hints(found: dict[str, Any]) -> str:
    return "\n".join(hint["what"] for hint in found["hints"])


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Save a checkpoint again after ``change`` had its way with it: its checksums are right."""
    package = torch.load(path, weights_only=False)
    change(package)
    torch.save(package, path)


def test_a_run_makes_the_same_release_again_and_leaves_nothing(origin, elsewhere, reproduce):
    before = tree(origin.root)
    status, found, _ = reproduce(origin.run())
    assert (status, found["identical"]) == (0, True)
    assert [file["names"][1] for file in found["files"]] == CORE
    assert not list(elsewhere.temporary.iterdir())
    assert tree(origin.root) == before


def test_a_release_made_on_another_path_comes_out_the_same(elsewhere, reproduce):
    status, found, _ = reproduce(elsewhere.release, "--dora-dir", elsewhere.dora)
    assert (status, found["identical"], found["problems"]) == (0, True, [])


def test_a_folder_that_is_named_counts_and_not_where_the_run_had_it(origin, elsewhere, capsys):
    empty = elsewhere.root / "empty"
    (empty / "xps").mkdir(parents=True)
    assert main([str(origin.run()), "--dora-dir", str(empty)]) == 1
    assert "There is no experiment" in capsys.readouterr().err


def test_the_codec_too_is_that_of_the_folder_that_is_named(origin, elsewhere, reproduce):
    def change(package: dict[str, Any]) -> None:
        for tensor in package["best_state"]["model"].values():
            if tensor.is_floating_point() and tensor.numel():
                tensor.view(-1)[0] += 1
                return

    rewrite(elsewhere.dora / "xps" / CODEC / "checkpoint.th", change)
    status, found, _ = reproduce(origin.run(), "--dora-dir", elsewhere.dora)
    assert status == 1 and "compression_state_dict.bin" in different(found)
    assert reproduce(origin.run())[0] == 0


def test_a_byte_of_the_source_changed_with_its_checksum_is_told_by_tensor(elsewhere, reproduce):
    def change(package: dict[str, Any]) -> None:
        package["best_state"]["model"]["out_norm.bias"].view(torch.uint8)[5] ^= 1

    rewrite(elsewhere.checkpoint, change)
    status, found, _ = reproduce(elsewhere.release, "--dora-dir", elsewhere.dora)
    assert status == 1 and different(found) == [RELEASE_JSON, STATE_DICT]
    by_name = {file["names"][0]: file for file in found["files"]}
    (tensor,) = by_name[STATE_DICT]["tensors"]["changed"]
    assert (tensor["name"], tensor["changed"]) == ("out_norm.bias", 1)
    assert "source.state_digest" in by_name[RELEASE_JSON]["values"]["changed"]
    assert "The source changed" in hints(found)
    assert not list(elsewhere.temporary.iterdir())


def test_a_byte_of_the_source_changed_alone_is_refused_and_said_so(elsewhere, capsys):
    with Checkpoint.open(elsewhere.checkpoint) as checkpoint:
        tensor = checkpoint.states["best"].tensors["out_norm.bias"]
        assert isinstance(tensor, StoredTensor)
        at = checkpoint.archive.records[f"data/{tensor.ref.record}"].offset
    content = bytearray(elsewhere.checkpoint.read_bytes())
    content[at] ^= 1
    elsewhere.checkpoint.write_bytes(content)
    assert main([str(elsewhere.release), "--dora-dir", str(elsewhere.dora)]) == 1
    out = capsys.readouterr().out
    assert "not made again: the pipeline refused" in out
    assert "The file is damaged" in out and "out_norm.bias" in out
    assert str(elsewhere.checkpoint) in out


def test_a_config_that_drifted_is_told_by_key(elsewhere, reproduce):
    rewrite(elsewhere.checkpoint, lambda package: package["xp.cfg"].optim.update({"epochs": 99}))
    status, found, _ = reproduce(elsewhere.release, "--dora-dir", elsewhere.dora)
    assert status == 1
    assert "The config drifted" in hints(found)
    assert "xp.cfg.optim.epochs was 2, is 99" in hints(found)
    assert "The source was written again" in hints(found)


def test_a_release_of_another_version_and_with_other_settings_is_told_so(elsewhere, reproduce):
    manifest = json.loads((elsewhere.release / RELEASE_JSON).read_text())
    manifest["pipeline"] = "0.0.1"
    manifest["settings"]["export_compression"]["epoch"] = 7
    (elsewhere.release / RELEASE_JSON).write_text(json.dumps(manifest))
    elsewhere.relist()
    status, found, _ = reproduce(elsewhere.release, "--dora-dir", elsewhere.dora)
    assert (status, different(found)) == (1, [RELEASE_JSON])
    assert "Another pipeline version: 0.0.1 made it" in hints(found)
    assert "The settings drifted: settings.export_compression.epoch was 7" in hints(found)


def test_a_release_that_is_not_what_it_lists_is_told_so(elsewhere, reproduce):
    path = elsewhere.release / STATE_DICT
    rewrite(path, lambda package: package["best_state"]["out_norm.bias"].add_(1))
    status, found, _ = reproduce(elsewhere.release, "--dora-dir", elsewhere.dora)
    assert status == 1 and different(found) == [STATE_DICT]
    assert "is not the file that its SHA256SUMS lists" in found["problems"][0]["what"]


def test_a_checkpoint_outside_of_its_experiment_gives_the_weights_and_says_what_is_new(
    elsewhere, reproduce
):
    moved = elsewhere.root / "moved.th"
    elsewhere.checkpoint.rename(moved)
    codec = ("--codec", elsewhere.dora / "xps" / CODEC / "checkpoint.th")
    status, found, _ = reproduce(elsewhere.release, "--source", moved, *codec)
    assert (status, different(found)) == (1, [RELEASE_JSON])
    assert "source.kind was dora, is file" in hints(found)


def test_a_file_and_all_that_was_said_of_it_come_back(origin, tmp_path, reproduce):
    checkpoint = shutil.copy(origin.dora / "xps" / LM / "checkpoint.th", tmp_path / "mine.th")
    sha256 = file_digest(Path(checkpoint)).sha256
    codec = shutil.copy(origin.release() / COMPRESSION, tmp_path / "codec.bin")
    done = pipeline(
        "+release=musicgen_small", "version=2.0.0", "checkpoint=file", "checkpoint.path=mine.th",
        f"checkpoint.sha256={sha256}", "checkpoint.state=last", "compression=bundle",
        "compression.source=codec.bin", "export.dtype=float16", "export.layout=all_in_one",
        "export.sanitize=false", "export.audiocraft_version=1.4.0a1", "push=none", "validate=off",
        "export.config_overrides={dataset.segment_duration: 30}",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run,) = tmp_path.glob("outputs/*/*-*")
    status, found, _ = reproduce(run)
    assert (status, found["identical"]) == (0, True)
    Path(codec).rename(tmp_path / "elsewhere.bin")
    status, found, err = reproduce(run)
    assert status == 1 and "--codec FILE" in err
    assert reproduce(run, "--codec", tmp_path / "elsewhere.bin")[0] == 0


def test_a_release_on_the_hub_is_compared_without_a_download(hub: Hub, origin, elsewhere):
    hub.seed("lab/small", tree(origin.release()))
    hub.requests.clear()
    env = environment(**hub.environment(), AUDIOCRAFT_CACHE_DIR=str(elsewhere.root / "cache"))
    done = pipeline(
        "lab/small", "--dora-dir", str(elsewhere.dora), "--json", cwd=elsewhere.root, env=env,
        module="pipeline.reproduce",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    whole = [r for r in hub.requests if r.method == "GET" and r.status == 200]
    assert not [r for r in whole if r.path.endswith((STATE_DICT, COMPRESSION))]


def test_what_was_made_can_be_kept(origin, tmp_path, reproduce):
    status, found, _ = reproduce(origin.run(), "--keep", tmp_path / "kept")
    assert status == 0
    made = Path(found["made"])
    assert made.is_relative_to(tmp_path / "kept")
    core = tree(origin.release())
    assert {name: content for name, content in tree(made).items() if name in CORE} == {
        name: core[name] for name in CORE
    }
    status, _, err = reproduce(origin.run(), "--keep", tmp_path / "kept")
    assert status == 1 and "is not empty" in err


@pytest.mark.parametrize("whole_group", [True, False])
def test_ctrl_c_ends_the_pipeline_and_leaves_nothing(origin, elsewhere, whole_group):
    process = subprocess.Popen(
        command(str(origin.run()), module="pipeline.reproduce"),
        env=environment(TMPDIR=str(elsewhere.temporary)), start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=elsewhere.root,
    )  # fmt: skip
    while not list(elsewhere.temporary.glob("reproduce-*/*/*")):
        assert process.poll() is None
        time.sleep(0.01)
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "error Interrupted.\n")
    assert not list(elsewhere.temporary.iterdir())


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["nowhere"], 1, "There is nothing at 'nowhere'"),
        (["http://example.org/x"], 2, "Only https:// addresses"),
        (["a copy"], 1, "--dora-dir FOLDER, the one that holds xps, or --source FILE"),
        (["a copy", "--dora-dir", "nowhere"], 1, "has no xps folder"),
        (["a copy", "--source", "nowhere.th"], 1, "There is nothing at 'nowhere.th'"),
        (["a copy", "--source", "//sig/00000000", "--dora-dir", "dora"], 1, "no experiment"),
        (["a copy", "--revision", "v1"], 2, "--revision goes with a Hub id"),
        (["dora"], 1, "The folder is no release"),
    ],
)
def test_what_cannot_be_is_told_in_three_lines(
    elsewhere, capsys, monkeypatch, arguments, status, told
):
    monkeypatch.chdir(elsewhere.root)
    monkeypatch.delenv("AUDIOCRAFT_DORA_DIR", raising=False)
    assert main(arguments) == status
    error = capsys.readouterr().err
    assert told in error and error.count("\n") <= 3


@pytest.mark.parametrize("name", [SHA256SUMS, RELEASE_JSON])
@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"[1]", b'{"files": {}}'])
def test_lists_that_are_spoilt_are_told(elsewhere, capsys, name, content):
    path = elsewhere.release / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert main([str(elsewhere.release), "--dora-dir", str(elsewhere.dora)]) == 1
    assert capsys.readouterr().err.startswith("error ")


def test_what_the_pipeline_refuses_is_told_as_it_says_it(elsewhere, capsys):
    arguments = [str(elsewhere.release), "--dora-dir", str(elsewhere.dora), "export.dtype=float61"]
    assert main(arguments) == 1
    assert "Did you mean export.dtype=float16?" in capsys.readouterr().out

"""``python -m pipeline.diff``: what differs is told by file, by key and by tensor."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from pipeline.diff import main
from pipeline.layout import ALL_IN_ONE, COMPRESSION, RELEASE_JSON, SHA256SUMS, STATE_DICT
from stages.common import one_file
from tests.command import CODEC, LM, Place, environment, make_place, pipeline, tree
from tests.experiments import write_exported, write_reference
from tests.hub import Hub
from tests.servers import https_server

Diff = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An experiment, and its release in a run of the pipeline."""
    place = make_place(tmp_path_factory.mktemp("diff"))
    done = pipeline(*place.request, "validate=off", cwd=place.root)
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def other(released: Place, ugly: Path) -> Path:
    """A copy of the release, to be changed."""
    return shutil.copytree(released.release(), ugly / "release")


@pytest.fixture
def diff(capsys: pytest.CaptureFixture[str]) -> Diff:
    """Compares in this process; gives the exit status and the JSON document."""

    def run(*arguments: object) -> tuple[int, dict[str, Any]]:
        status = main([*map(str, arguments), "--json"])
        return status, json.loads(capsys.readouterr().out)

    return run


def changed(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give the files that differ, by name."""
    return {
        f["names"][0] or f["names"][1]: f for f in found["files"] if f["verdict"] != "identical"
    }


def spoil(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Save a model's file again after ``change`` had its way with it."""
    package = torch.load(path, weights_only=True)
    change(package)
    torch.save(package, path)


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_release_is_identical_to_its_copy_and_to_its_run(released, other, diff):
    status, found = diff(released.run(), other)
    assert (status, found["identical"], changed(found)) == (0, True, {})
    assert {file["names"][0] for file in found["files"]} == set(tree(other))
    assert diff(other, other)[0] == 0


def test_every_kind_of_difference_in_a_model_is_told(released, other, diff):
    def change(package: dict[str, Any]) -> None:
        package["best_state"]["out_norm.bias"][3] += 0.125
        package["best_state"]["new"] = package["best_state"].pop("out_norm.weight")
        config = OmegaConf.create(package["xp.cfg"])
        config.optim.epochs, config.brand_new = 7, "here"
        del config.sample_rate
        package["xp.cfg"], package["version"] = OmegaConf.to_yaml(config), "1.4.0"

    spoil(other / STATE_DICT, change)
    status, found = diff(released.release(), other)
    assert status == 1 and list(changed(found)) == [STATE_DICT]
    file = changed(found)[STATE_DICT]
    assert file["values"]["changed"] == {
        "xp.cfg.optim.epochs": [2, 7],
        "version": ["1.3.0", "1.4.0"],
    }
    assert file["values"]["only_in_a"] == {"xp.cfg.sample_rate": 32000}
    assert file["values"]["only_in_b"] == {"xp.cfg.brand_new": "here"}
    tensors = file["tensors"]
    assert (tensors["only_in_a"], tensors["only_in_b"]) == (["out_norm.weight"], ["new"])
    (tensor,) = tensors["changed"]
    assert (tensor["name"], tensor["elements"], tensor["changed"]) == ("out_norm.bias", 16, 1)
    assert tensor["largest"] == pytest.approx(0.125)


def test_files_that_one_of_them_lacks_are_told(released, other, diff):
    (other / "extra.txt").write_text("more")
    (other / SHA256SUMS).unlink()
    status, found = diff(released.release(), other)
    assert status == 1
    assert {name: f["verdict"] for name, f in changed(found).items()} == {
        SHA256SUMS: "only in A",
        "extra.txt": "only in B",
    }


def test_keys_of_release_json_are_told(released, other, diff):
    manifest = json.loads((other / RELEASE_JSON).read_text())
    manifest["source"]["epoch"] = 99
    (other / RELEASE_JSON).write_text(json.dumps(manifest))
    _, found = diff(released.release(), other)
    assert changed(found)[RELEASE_JSON]["values"]["changed"] == {"source.epoch": [1, 99]}


def test_metrics_come_from_the_card_when_there_is_nothing_else(released, other, diff):
    card = (other / "README.md").read_text()
    (other / "README.md").write_text(card.replace("| ce | 4.5 | 4 |", "| ce | 4.5 | 5 |"))
    status, found = diff(released.run(), other)
    assert status == 1 and found["metrics"]["changed"] == {"valid.ce": [4.0, 5.0]}
    (other / "README.md").unlink()
    assert diff(released.run(), other)[1]["metrics"]["changed"] == {}


def test_a_byte_changed_behind_its_checksum_names_the_tensor_and_the_file(released, other, diff):
    flip(other / STATE_DICT, 60_000)
    status, found = diff(released.release(), other)
    file = changed(found)[STATE_DICT]
    (tensor,) = file["tensors"]["changed"]
    assert status == 1 and "damaged" in tensor["fault"]
    assert file["faults"][0]["where"] == str(other / STATE_DICT)


def test_a_change_outside_of_values_and_tensors_is_a_difference_too(released, other, capsys):
    package = torch.load(other / STATE_DICT, weights_only=True)
    torch.save(package, other / STATE_DICT)
    assert main([str(released.release()), str(other)]) == 1
    assert "what differs is elsewhere in the file" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\3\4 cut off"])
def test_a_model_that_cannot_be_read_is_a_difference(released, other, diff, content):
    (other / STATE_DICT).write_bytes(content)
    status, found = diff(released.release(), other)
    assert status == 1 and changed(found)[STATE_DICT]["faults"]


def test_a_codec_and_a_reference_to_one(released, other, diff):
    write_reference(other / COMPRESSION)
    status, found = diff(released.release(), other)
    file = changed(found)[COMPRESSION]
    assert status == 1 and file["told"] == ["exported", "the name facebook/encodec_32khz"]
    assert file["values"]["only_in_b"] == {"pretrained": "facebook/encodec_32khz"}


def test_the_codec_inside_of_one_file_is_compared(released, tmp_path, diff):
    paths = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(released.release() / COMPRESSION, folder)
        if name == "two":
            spoil(folder / COMPRESSION, lambda p: p["best_state"].update({"extra": torch.ones(2)}))
        one_file.join(released.release() / STATE_DICT, folder / COMPRESSION, folder / ALL_IN_ONE)
        paths.append(folder / ALL_IN_ONE)
    _, found = diff(*paths)
    assert found["files"][0]["tensors"]["only_in_b"] == ["compression.extra"]


class TestModels:
    """Checkpoints and experiments by themselves."""

    def test_an_experiment_is_its_release_but_for_what_was_cleaned(self, released, diff):
        status, found = diff(f"//sig/{LM}", released.run(), "--dora-dir", released.dora)
        (file,) = found["files"]
        assert status == 1 and file["names"] == ["checkpoint.th", STATE_DICT]
        assert file["told"] == ["best state of epoch 1", "exported"]
        assert not file["tensors"]["changed"] and file["tensors"]["compared"] > 30
        assert "xp.cfg.slurm.gpus" in file["values"]["only_in_a"]

    def test_a_codec_is_compared_with_the_codec_of_a_release(self, released, diff):
        _, found = diff(released.run(), released.dora / "xps" / CODEC)
        assert found["files"][0]["names"] == [COMPRESSION, "checkpoint.th"]

    def test_an_epochs_own_file_is_compared_by_what_the_epoch_was_judged_on(self, released, diff):
        folder = released.dora / "xps" / LM
        _, found = diff(folder / "checkpoint_1.th", folder / "checkpoint.th")
        assert found["files"][0]["told"] == ["ema state of epoch 1", "best state of epoch 1"]

    def test_the_states_and_epochs_of_a_run_differ(self, released, diff):
        path = released.dora / "xps" / LM
        status, found = diff(path / "checkpoint_1.th", path, "--state", "last")
        (file,) = found["files"]
        assert status == 1 and len(file["tensors"]["changed"]) == file["tensors"]["compared"]
        assert file["told"] == ["last state of epoch 1", "last state of epoch 2"]
        assert found["metrics"]["changed"]["valid.ce"] == [4.0, 9.0]

    def test_one_file_twice_is_not_read(self, released, diff):
        path = released.dora / "xps" / LM / "checkpoint.th"
        status, found = diff(path, f"//sig/{LM}", "--dora-dir", released.dora)
        assert status == 0 and found["files"][0]["sha256"] == [None, None]

    def test_large_files_that_list_other_contents_are_not_hashed(self, released, tmp_path, diff):
        paths = [shutil.copy(released.release() / STATE_DICT, tmp_path / f"{n}.bin") for n in "ab"]
        for path, value in zip(paths, (1.0, 2.0), strict=True):
            spoil(path, lambda p, v=value: p["best_state"].update(w=torch.full((5_000_000,), v)))
        status, found = diff(*paths)
        (file,) = found["files"]
        assert (status, file["sizes"][0]) == (1, file["sizes"][1])
        assert file["sha256"] == [None, None]
        assert [tensor["name"] for tensor in file["tensors"]["changed"]] == ["w"]
        shutil.copy(paths[0], paths[1])
        status, found = diff(*paths)
        assert status == 0 and found["files"][0]["sha256"][0] == found["files"][0]["sha256"][1]
        assert found["files"][0]["sha256"][0]

    def test_an_old_config_is_compared_by_its_values(self, released, tmp_path, diff):
        source = released.dora / "xps" / LM / "checkpoint.th"
        new = write_exported(tmp_path / "new.bin", source)
        old = write_exported(tmp_path / "old.bin", source, "old")
        _, found = diff(new, old)
        values = found["files"][0]["values"]
        assert values["changed"] == {} and set(values["only_in_a"]) == {"version", "exported"}


class TestHub:
    """Releases in repositories."""

    @pytest.fixture
    def ask(self, hub: Hub, tmp_path: Path):
        """Compares as a user of this Hub, with an empty cache of its own."""

        def run(*arguments: object, **changes: str) -> tuple[int, dict[str, Any], str]:
            cache = str(tmp_path / "cache")
            env = environment(**hub.environment(), AUDIOCRAFT_CACHE_DIR=cache, **changes)
            hub.requests.clear()
            done = pipeline(
                *map(str, arguments), "--json", cwd=tmp_path, env=env, module="pipeline.diff"
            )
            return done.returncode, json.loads(done.stdout), done.stderr

        return run

    def test_only_what_differs_between_two_revisions_is_downloaded(self, hub, ask, released, other):
        first = hub.seed("lab/small", tree(released.release()))
        spoil(other / STATE_DICT, lambda p: p["best_state"]["out_norm.bias"].add_(1))
        hub.seed("lab/small", {STATE_DICT: (other / STATE_DICT).read_bytes()})
        status, found, err = ask(f"lab/small@{first}", "lab/small")
        assert (status, err, list(changed(found))) == (1, "", [STATE_DICT])
        (tensor,) = changed(found)[STATE_DICT]["tensors"]["changed"]
        assert (tensor["name"], tensor["changed"]) == ("out_norm.bias", 16)
        assert not [r for r in hub.requests if r.path.endswith(COMPRESSION) and r.method == "GET"]

    def test_a_repository_is_identical_to_the_folder_it_was_made_of(self, hub, ask, released):
        hub.seed("lab/small", tree(released.release()))
        status, found, _ = ask("lab/small", released.release())
        assert (status, found["identical"]) == (0, True)

    def test_what_is_not_there_is_told(self, hub, ask, released):
        status, found, err = ask("lab/none", released.release())
        assert status == 1 and "lab/none" in err and "lab/none" in found["error"]["what"]


def test_receipts_and_the_cache_lead_to_what_was_pushed(released, diff):
    receipt = released.run() / "push" / "receipt.json"
    assert diff(receipt, released.run())[0] == 0
    cache = released.outputs / "hub"
    assert diff("local/musicgen_small", released.run(), "--cache-dir", cache)[0] == 0


def test_a_release_and_a_model_behind_an_address(released, other, tmp_path, monkeypatch, diff):
    keys = tmp_path / "keys"
    keys.mkdir()
    flip(other / COMPRESSION, 60_000)
    with https_server(other.parent, keys) as served:
        monkeypatch.setenv("SSL_CERT_FILE", str(served.ca))
        monkeypatch.setenv("no_proxy", "*")
        status, found = diff(f"{served.url}/release", released.release())
        assert status == 1 and list(changed(found)) == [COMPRESSION]
        outputs = ("--outputs", tmp_path / "outputs")
        address = f"{served.url}/release/{STATE_DICT}"
        assert diff(address, released.release() / STATE_DICT, *outputs)[0] == 0


@pytest.mark.parametrize(
    ("what", "status", "told"),
    [
        ("nowhere.th", 1, "There is nothing at 'nowhere.th'"),
        ("http://example.org/release", 2, "Only https:// addresses"),
        ("//sig/nonsense", 1, "is no signature"),
        ("//sig/00000000", 1, "There is no experiment //sig/00000000"),
        ("local/a@one", 1, "The Hub cache has no local/a at one"),
    ],
)
def test_what_leads_nowhere_is_told_in_three_lines(
    released, tmp_path, capsys, monkeypatch, what, status, told
):
    monkeypatch.chdir(tmp_path)
    options = ["--dora-dir", str(released.dora), "--cache-dir", str(tmp_path)]
    assert main([what, str(released.run()), *options]) == status
    error = capsys.readouterr().err
    assert told in error and error.count("\n") <= 3


def test_a_file_that_is_no_model_is_told(released, tmp_path, capsys):
    (tmp_path / "notes.th").write_text("hello")
    assert main([str(tmp_path / "notes.th"), str(released.run())]) == 1
    assert "torch did not write it" in capsys.readouterr().err


@pytest.mark.parametrize(("times", "relative"), [(2, " 100.00%"), (51, " 50 x")])
def test_people_read_a_page_with_tables(released, other, capsys, times, relative):
    spoil(other / STATE_DICT, lambda p: p["best_state"]["out_norm.bias"].mul_(times))
    assert main([str(released.release()), str(other)]) == 1
    out = capsys.readouterr().out
    assert "verdict  1 file of 5 different: 1 tensor" in out
    (row,) = [line for line in out.splitlines() if line.startswith("out_norm.bias")]
    assert "16 of 16" in row and row.endswith(relative)


def test_long_tables_end_with_what_shows_the_rest(released, other, capsys):
    spoil(other / STATE_DICT, lambda p: [t.add_(1) for t in p["best_state"].values()])
    main([str(released.release()), str(other)])
    short = capsys.readouterr().out
    main([str(released.release()), str(other), "--all"])
    assert "16 more: --all shows them" in short
    assert "more: --all" not in capsys.readouterr().out


def test_no_torch_is_needed(released, other):
    code = (
        "import sys; from pipeline.diff import main; status = main(sys.argv[1:]);"
        "heavy = ('torch', 'dora', 'transformers', 'huggingface_hub');"
        "print(status, [m for m in heavy if m in sys.modules])"
    )
    spoil(other / STATE_DICT, lambda p: p["best_state"]["out_norm.bias"].mul_(2))
    done = subprocess.run(
        [sys.executable, "-c", code, str(released.release()), str(other)],
        env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.endswith("1 []\n"), done.stderr

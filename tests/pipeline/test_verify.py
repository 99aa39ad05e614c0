"""``python -m pipeline.verify``: whatever was changed, wherever the release lies, is found."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.layout import COMPRESSION, RELEASE_JSON, SHA256SUMS, STATE_DICT
from pipeline.manifest import FileDigest, format_sums
from pipeline.verify import main
from tests.command import CODEC, LM, environment, make_place, pipeline, tree
from tests.experiments import write_exported
from tests.hub import Hub
from tests.hub_cache import write_cached
from tests.releases import fabricate, package, push
from tests.servers import https_server

WEIGHTS = [COMPRESSION, STATE_DICT]
CARD = b"---\nlicense: mit\n---\n"


def digest(content: bytes) -> dict[str, Any]:
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def write_lists(folder: Path, *names: str) -> None:
    """Write SHA256SUMS and release.json as package does."""
    listed = {name: digest((folder / name).read_bytes()) for name in names}
    told = {"format": 1, "name": "small", "version": "1.0.0", "files": listed}
    (folder / RELEASE_JSON).write_text(json.dumps(told))
    listed[RELEASE_JSON] = digest((folder / RELEASE_JSON).read_bytes())
    sums = format_sums({name: FileDigest(**entry) for name, entry in listed.items()})
    (folder / SHA256SUMS).write_text(sums)


@pytest.fixture(scope="session")
def genuine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release whose weights are real."""
    place = make_place(tmp_path_factory.mktemp("verified"))
    folder = place.root / "release"
    write_exported(folder / STATE_DICT, place.dora / "xps" / LM / "checkpoint.th")
    write_exported(folder / COMPRESSION, place.dora / "xps" / CODEC / "checkpoint.th")
    (folder / "README.md").write_bytes(CARD)
    write_lists(folder, *WEIGHTS)
    return folder


@pytest.fixture
def release(genuine: Path, ugly: Path) -> Path:
    """A copy of it, to be changed."""
    return shutil.copytree(genuine, ugly / "release")


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]):
    """Verifies in this process; gives the exit status, the copies, and the error stream."""

    def run(*arguments: object) -> tuple[int, list[dict[str, Any]], str]:
        status = main([*map(str, arguments), "--json"])
        out, err = capsys.readouterr()
        return status, json.loads(out).get("copies", []) if out else [], err

    return run


def problems(copy: dict[str, Any]) -> list[str]:
    return [problem["what"] for problem in copy["problems"]]


def flip(path: Path, at: int = -1000) -> None:
    """Change one byte, and nothing about the size."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


class TestFolder:
    """A release on disk."""

    def test_a_genuine_one(self, release, verify):
        status, (copy,), err = verify(release)
        assert (status, err, copy["problems"], copy["hints"]) == (0, "", [], [])
        assert (copy["name"], copy["version"], copy["identical"]) == ("small", "1.0.0", True)
        assert {file["name"]: file["verdict"] for file in copy["files"]} == {
            "README.md": "", SHA256SUMS: "", RELEASE_JSON: "as listed",
            STATE_DICT: "as listed", COMPRESSION: "as listed",
        }  # fmt: skip
        assert [f["name"] for f in copy["files"] if f["opened"] == "safe"] == WEIGHTS

    def test_a_changed_byte(self, release, verify):
        flip(release / STATE_DICT)
        status, (copy,), _ = verify(release)
        assert status == 1
        (told,) = problems(copy)
        assert told.startswith("state_dict.bin is not the file that release.json lists: its sha256")

    def test_another_size(self, release, verify):
        with (release / STATE_DICT).open("ab") as file:
            file.write(b"!")
        status, (copy,), _ = verify(release)
        assert status == 1 and "state_dict.bin has " in problems(copy)[0]

    def test_a_missing_file(self, release, verify):
        (release / COMPRESSION).unlink()
        status, (copy,), _ = verify(release)
        assert (status, problems(copy)) == (
            1,
            [f"{COMPRESSION} is missing, release.json lists it."],
        )

    @pytest.mark.parametrize("name", ["extra.bin", "deep/er.txt", "link"])
    def test_what_nothing_lists(self, release, verify, name):
        if name == "link":
            (release / name).symlink_to(release.parent)
        else:
            (release / name).parent.mkdir(exist_ok=True)
            (release / name).touch()
        status, (copy,), _ = verify(release)
        assert status == 1
        assert problems(copy)[0] == f"{name} is not a file of this release: nothing lists it."

    def test_what_git_and_the_hub_keep_there_is_no_difference(self, release, verify):
        for name in (".git/config", ".cache/huggingface/x.metadata", ".gitattributes"):
            (release / name).parent.mkdir(parents=True, exist_ok=True)
            (release / name).touch()
        assert verify(release)[0] == 0

    @pytest.mark.parametrize("name", [RELEASE_JSON, SHA256SUMS])
    def test_a_list_that_is_missing(self, release, verify, name):
        (release / name).unlink()
        status, (copy,), _ = verify(release)
        assert status == 1 and f"{name} is missing." in problems(copy)
        # The other list still holds for the weights.
        flip(release / STATE_DICT)
        assert f"{STATE_DICT} is not the file" in " ".join(problems(verify(release)[1][0]))

    @pytest.mark.parametrize(
        ("cut", "told"),
        [
            (-3, "state_dict.b is in SHA256SUMS, but not in release.json."),
            (-80, "SHA256SUMS cannot be read: Line 3 of SHA256SUMS is not a digest and a name."),
            ("line", "state_dict.bin is in release.json, but not in SHA256SUMS."),
            (0, "state_dict.bin is in release.json, but not in SHA256SUMS."),
        ],
    )
    def test_sums_that_are_cut_off(self, release, verify, cut, told):
        sums = (release / SHA256SUMS).read_text()
        end = sums.rindex("\n", 0, -1) + 1 if cut == "line" else cut
        (release / SHA256SUMS).write_text(sums[:end])
        status, (copy,), _ = verify(release)
        assert status == 1 and told in problems(copy)

    def test_a_list_that_is_too_large_to_be_one(self, release, verify):
        os.truncate(release / SHA256SUMS, 1 << 30)
        status, copies, err = verify(release)
        assert (status, copies) == (1, []) and "SHA256SUMS has 1.07 GB, too many" in err

    def test_two_lines_about_one_file(self, release, verify):
        with (release / SHA256SUMS).open("a") as file:
            file.write(f"{'0' * 64}  {STATE_DICT}\n")
        status, (copy,), _ = verify(release)
        assert (
            status == 1 and "Line 4 of SHA256SUMS names state_dict.bin again." in problems(copy)[0]
        )

    def test_lists_that_disagree(self, release, verify):
        told = json.loads((release / RELEASE_JSON).read_text())
        told["files"][STATE_DICT]["sha256"] = "0" * 64
        (release / RELEASE_JSON).write_text(json.dumps(told))
        status, (copy,), _ = verify(release)
        assert status == 1
        told = "SHA256SUMS and release.json give two digests for state_dict.bin."
        assert told in problems(copy)
        assert "release.json is not the file that SHA256SUMS lists" in " ".join(problems(copy))

    @pytest.mark.parametrize("text", ["{", "[]", '{"files": 1}', "[" * 100_000, "\udcff"])
    def test_a_manifest_that_cannot_be_read(self, release, verify, text):
        (release / RELEASE_JSON).write_text(text, errors="surrogateescape")
        status, (copy,), _ = verify(release)
        assert status == 1 and problems(copy)[0].startswith("release.json ")

    @pytest.mark.parametrize(
        "name",
        ["../secret", "/etc/hostname", "a/../../secret", "..\\secret", "a//b", "./x", "a\x1b"],
    )
    def test_a_name_that_leads_elsewhere_is_not_followed(self, release, verify, name):
        secret = release.parent / "secret"
        secret.write_bytes(b"secret")
        sha256 = digest(b"secret")["sha256"]
        with (release / SHA256SUMS).open("a") as file:
            file.write(f"{sha256}  {name}\n")
        status, (copy,), _ = verify(release)
        assert status == 1
        assert any("no name of a file in a release" in told for told in problems(copy))
        assert name not in {file["name"] for file in copy["files"]}

    def test_a_pickle_that_wants_to_run_something_under_right_sums(self, release, verify):
        proof = release.parent / "proof"
        torch.save({"best_state": Runs(f"touch '{proof}'")}, release / STATE_DICT)
        write_lists(release, *WEIGHTS)
        status, (copy,), _ = verify(release)
        assert status == 1 and not proof.exists()
        assert "posix.system" in problems(copy)[0]
        assert {f["name"]: f["opened"] for f in copy["files"]}[STATE_DICT] == "refused"

    def test_samples_with_and_without_digests(self, release, verify):
        samples = release / "samples"
        samples.mkdir()
        (samples / "a.wav").write_bytes(b"sound")
        assert verify(release)[0] == 0
        listed = {"files": {"a.wav": digest(b"sound")}}
        (samples / "samples.json").write_text(json.dumps(listed))
        assert verify(release)[0] == 0
        (samples / "a.wav").write_bytes(b"noise")
        (samples / "b.wav").write_bytes(b"noise")
        status, (copy,), _ = verify(release)
        assert status == 1
        assert [told.split()[0] for told in problems(copy)] == ["samples/a.wav", "samples/b.wav"]

    @pytest.mark.parametrize("name", ["samples/x.bin", "other.BIN"])
    def test_a_pickle_that_nothing_lists_is_opened_too(self, release, verify, name):
        (release / name).parent.mkdir(exist_ok=True)
        (release / name).write_bytes(pickle.dumps({"f": os.system}))
        status, (copy,), _ = verify(release)
        assert status == 1
        assert any(told.startswith(f"{name}: This is not an archive") for told in problems(copy))

    def test_nothing_that_tells(self, release, verify):
        for name in (RELEASE_JSON, SHA256SUMS):
            (release / name).unlink()
        status, (copy,), _ = verify(release)
        assert status == 1 and "nothing tells what it was" in problems(copy)[0]

    def test_a_run_is_its_release(self, release, verify):
        (release.parent / "collect").mkdir()
        assert verify(release.parent)[:1] == (0,)

    def test_another_folder(self, release, verify):
        (release.parent / "empty").mkdir()
        status, copies, err = verify(release.parent / "empty")
        assert (status, copies) == (1, []) and "no release" in err


def test_a_page_for_people(release, capsys):
    assert main([str(release)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[:4] == [
        "The release small 1.0.0",
        str(release),
        "",
        "verdict  identical",
    ]
    flip(release / STATE_DICT)
    assert main([str(release)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "verdict  1 problem" in lines
    assert any(line.startswith("problem  state_dict.bin is not the file") for line in lines)


def test_usage(release, verify):
    for arguments in (
        ["--revision", "v1", release],
        ["http://example.org/x"],
        ["a/b@v1", "--revision", "v2"],
    ):
        status, copies, err = verify(*arguments)
        assert (status, copies) == (2, []) and err
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert verify("nothing/at/all")[0] == 1


def test_it_imports_nothing_heavy(release):
    code = (
        "import sys; from pipeline.verify import main; status = main(sys.argv[1:]);"
        "heavy = ('torch', 'dora', 'huggingface_hub', 'numpy', 'transformers', 'jinja2');"
        "print(status, [m for m in heavy if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(release)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert done.stdout.splitlines()[-1] == "0 []", done.stdout + done.stderr


class Runs:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str = "false") -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


class TestHub:
    """A release in a repository."""

    @pytest.fixture
    def ask(self, hub: Hub, tmp_path: Path):
        """Verifies as a user of this Hub, with an empty cache of its own."""

        def run(*arguments: object, token: str | None = None, **changes: str):
            env = environment(
                **hub.environment(token), AUDIOCRAFT_CACHE_DIR=str(tmp_path / "cache"), **changes
            )
            hub.requests.clear()
            done = pipeline(
                *map(str, arguments), "--json", cwd=tmp_path, env=env, module="pipeline.verify"
            )
            copies = json.loads(done.stdout).get("copies", []) if done.stdout else []
            return done.returncode, copies, done.stderr

        return run

    def served(self, hub: Hub) -> list[str]:
        """Give the names of files that were sent."""
        sent = (r for r in hub.requests if r.route in ("resolve", "lfs-download"))
        return [r.path.rpartition("/")[2] for r in sent if r.method == "GET" and r.status == 200]

    def test_no_weight_is_downloaded(self, hub, ask, genuine, tmp_path):
        commit = hub.seed("lab/small", tree(genuine))
        status, (copy,), err = ask("lab/small")
        assert (status, err, copy["problems"]) == (0, "", [])
        assert copy["place"] == f"lab/small, commit {commit}"
        assert sorted(self.served(hub)) == [SHA256SUMS, RELEASE_JSON]
        assert {f["name"]: f["compared"] for f in copy["files"]}[STATE_DICT] == (
            "sha256, by the Hub's word"
        )
        assert [f["name"] for f in copy["files"] if f["opened"] == "safe"] == WEIGHTS
        assert "only what the Hub tells of them was compared" in copy["hints"][0]["what"]
        assert not (tmp_path / "cache").exists()

    def test_a_pickle_under_right_sums_is_read_where_it_lies(self, hub, ask, release):
        torch.save({"w": torch.zeros(300_000), "x": Path("/")}, release / STATE_DICT)
        # A path is harmless; what is not is told apart by its name.
        torch.save({"w": torch.zeros(300_000), "x": Runs()}, release / COMPRESSION)
        write_lists(release, *WEIGHTS)
        hub.seed("lab/small", tree(release))
        status, (copy,), _ = ask("lab/small")
        assert status == 1 and "posix.system" in problems(copy)[0]
        opened = {f["name"]: f["opened"] for f in copy["files"]}
        assert (opened[STATE_DICT], opened[COMPRESSION]) == ("safe", "refused")
        assert sorted(self.served(hub)) == [SHA256SUMS, RELEASE_JSON]

    def test_download_reads_everything(self, hub, ask, genuine, tmp_path):
        hub.seed("lab/small", tree(genuine))
        status, (copy,), _ = ask("lab/small", "--download", TMPDIR=str(tmp_path))
        assert (status, copy["hints"]) == (0, [])
        assert [f["name"] for f in copy["files"] if f["opened"] == "safe"] == WEIGHTS
        assert not list(tmp_path.glob("verify-*")) and not (tmp_path / "cache").exists()

    def test_what_was_tampered_with(self, hub, ask, genuine):
        hub.seed("lab/small", tree(genuine))
        changed = bytearray((genuine / STATE_DICT).read_bytes())
        changed[-20_000] ^= 1
        hub.seed("lab/small", {STATE_DICT: bytes(changed), "extra.txt": b"x"})
        status, (copy,), _ = ask("lab/small@main")
        assert status == 1
        assert [told.split()[0] for told in problems(copy)] == ["extra.txt", STATE_DICT]

    def test_a_hub_that_lies_is_found_by_downloading(self, hub, ask, genuine):
        hub.seed("lab/small", tree(genuine))
        sha256 = digest((genuine / STATE_DICT).read_bytes())["sha256"]
        flip(hub.store.repo("lab/small").large.path(sha256))
        assert ask("lab/small")[0] == 0
        status, (copy,), _ = ask("lab/small", "--download")
        assert status == 1 and problems(copy)[0].startswith(f"{STATE_DICT} is not the file")

    @pytest.mark.parametrize(
        ("route", "fault", "told"),
        [
            ("tree", {"status": 403, "message": "No."}, "403 Forbidden"),
            ("lfs-download", {"status": 500}, "cannot be downloaded"),
            ("lfs-download", {"cut_after": 10}, "cannot be downloaded"),
            ("lfs-download", {"lost_reply": True}, "cannot be downloaded"),
        ],
    )
    def test_a_hub_that_fails_is_no_verdict(self, hub, ask, genuine, route, fault, told):
        hub.seed("lab/small", tree(genuine))
        hub.faults.add(route, times=9, **fault)
        status, copies, err = ask("lab/small")
        assert (status, copies) == (1, []) and "Traceback" not in err
        assert told in err and len(err.splitlines()) <= 3

    def test_a_revision_and_a_page(self, hub, ask, genuine):
        first = hub.seed("lab/small", tree(genuine))
        hub.seed("lab/small", {STATE_DICT: b"another"})
        assert ask("lab/small")[0] == 1
        page = f"{hub.endpoint}/lab/small/tree/{first}"
        for arguments in (["lab/small", "--revision", first], [f"lab/small@{first}"], [page]):
            assert ask(*arguments)[0] == 0

    def test_what_is_not_there_is_told_in_the_words_of_verify(self, hub, ask, genuine):
        hub.seed("lab/small", tree(genuine))
        _, _, err = ask("lab/small@v9")
        assert err.splitlines() == [
            "error lab/small has no revision 'v9'.",
            f"{hub.endpoint}/lab/small",
            "Give a branch, a tag or a commit: --revision main",
        ]
        hub.faults.add("tree", status=403, times=9)
        told = ask("lab/small")[2].splitlines()
        assert told[2] == f"Look at {hub.endpoint}/lab/small, then run the same command again."

    def test_a_private_repository(self, hub, ask, genuine):
        hub.seed("lab/small", tree(genuine))
        hub.store.repo("lab/small").change_settings(private=True)
        status, copies, err = ask("lab/small")
        assert (status, copies) == (1, []) and "HF_TOKEN" in err and len(err.splitlines()) == 3
        assert ask("lab/small", token="read")[0] == 0

    def test_without_a_network_the_cache(self, hub, ask, genuine, tmp_path):
        commit = write_cached(tmp_path / "cache", "lab/small", *genuine.iterdir())
        for changes in ({"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}):
            env = {**hub.environment(), **changes}
            env = environment(**env, AUDIOCRAFT_CACHE_DIR=str(tmp_path / "cache"))
            done = pipeline("lab/small", cwd=tmp_path, env=env, module="pipeline.verify")
            assert done.returncode == 0, done.stdout + done.stderr
            assert commit in done.stdout and "cannot be reached" in done.stdout
        status, _, err = ask("lab/other", HF_HUB_OFFLINE="1")
        assert status == 1 and "has no lab/other" in err


class TestCache:
    """A release in a Hub cache."""

    @pytest.fixture
    def cache(self, release: Path, tmp_path: Path) -> Path:
        write_cached(tmp_path / "cache", "lab/small", *release.iterdir())
        return tmp_path / "cache"

    def test_a_changed_blob(self, cache, verify):
        snapshot = next((cache / "models--lab--small" / "snapshots").iterdir())
        assert verify("lab/small", "--cache-dir", cache)[0] == verify(snapshot)[0] == 0
        flip((snapshot / STATE_DICT).resolve())
        for arguments in (["lab/small", "--cache-dir", cache], [snapshot]):
            status, (copy,), _ = verify(*arguments)
            assert status == 1 and problems(copy)[0].startswith(f"{STATE_DICT} is not the file")

    def test_a_blob_that_is_gone(self, cache, verify):
        snapshot = next((cache / "models--lab--small" / "snapshots").iterdir())
        (snapshot / STATE_DICT).resolve().unlink()
        status, (copy,), _ = verify(snapshot)
        assert (status, problems(copy)) == (
            1,
            ["state_dict.bin is missing, release.json lists it."],
        )

    def test_a_revision_that_is_not_there(self, cache, verify):
        for revision in ("v9", "../../x", "0" * 40):
            status, _, err = verify(f"lab/small@{revision}", "--cache-dir", cache)
            assert status == 1 and "has no lab/small at" in err


class TestReceipt:
    """What a push says that it published."""

    def write(self, path: Path, **entry: Any) -> Path:
        path.write_text(json.dumps({"format": 1, "targets": [{"target": "dry_run"}, entry]}))
        return path

    def test_the_card_counts_too(self, hub, genuine, tmp_path):
        commit = hub.seed("lab/small", {**tree(genuine), "notes.txt": b"was there before"})
        listed = {name: digest(content) for name, content in tree(genuine).items()}
        entry = {"target": "hub", "repo_id": "lab/small", "commit": commit}
        receipt = self.write(tmp_path / "receipt.json", **entry, files=listed)
        env = environment(**hub.environment())

        def ask() -> subprocess.CompletedProcess[str]:
            return pipeline(str(receipt), "--json", cwd=tmp_path, env=env, module="pipeline.verify")

        done = ask()
        assert done.returncode == 0, done.stdout + done.stderr
        (copy,) = json.loads(done.stdout)["copies"]
        assert {f["name"]: f["verdict"] for f in copy["files"]}["README.md"] == "as listed"
        assert [hint["what"].split()[0] for hint in copy["hints"]] == [
            "notes.txt",
            COMPRESSION + ",",
        ]
        listed["README.md"] = digest(b"another card")
        self.write(receipt, **entry, files=listed)
        done = ask()
        assert done.returncode == 1
        assert "README.md has" in done.stdout
        self.write(receipt, **{**entry, "commit": "0" * 40}, files=listed)
        done = ask()
        assert done.returncode == 1 and "no revision" in done.stdout

    @pytest.mark.parametrize("settings", [{"private": True}, {"gated": "manual"}])
    def test_a_hub_that_only_the_receipt_names_gets_no_token(
        self, hub, genuine, tmp_path, settings
    ):
        commit = hub.seed("lab/small", tree(genuine))
        hub.store.repo("lab/small").change_settings(**settings)
        listed = {name: digest(content) for name, content in tree(genuine).items()}
        entry = {"target": "hub", "repo_id": "lab/small", "commit": commit, "files": listed}
        receipt = self.write(tmp_path / "receipt.json", **entry, endpoint=hub.endpoint)
        mine = {**hub.environment("read"), "HF_ENDPOINT": "http://127.0.0.1:9"}
        done = pipeline(
            str(receipt), cwd=tmp_path, env=environment(**mine), module="pipeline.verify"
        )
        assert done.returncode == 1
        assert (
            f"Your token was not sent there. If that Hub is yours: HF_ENDPOINT={hub.endpoint}"
            in (" ".join(done.stdout.split()))
        )
        assert f"{hub.endpoint}/lab/small" in done.stdout and "huggingface.co" not in done.stdout
        mine = environment(**hub.environment("read"))
        done = pipeline(str(receipt), cwd=tmp_path, env=mine, module="pipeline.verify")
        assert done.returncode == 0, done.stdout + done.stderr

    def test_of_a_cache(self, release, tmp_path, verify):
        cache = tmp_path / "cache"
        commit = write_cached(cache, "lab/small", *release.iterdir())
        listed = {name: digest(content) for name, content in tree(release).items()}
        entry = {"target": "cache", "repo_id": "lab/small", "commit": commit}
        receipt = self.write(tmp_path / "receipt.json", **entry, files=listed, cache_dir=str(cache))
        assert verify(receipt)[0] == 0
        snapshot = cache / "models--lab--small" / "snapshots" / commit
        (snapshot / "README.md").resolve().write_bytes(CARD.upper())
        status, (copy,), _ = verify(receipt)
        assert status == 1
        assert problems(copy)[0].startswith("README.md is not the file that receipt.json lists")

    def test_as_push_writes_it(self, tmp_path, verify):
        made = fabricate(tmp_path / "outputs")
        made.make(package())
        made.make(push())
        _, (copy,), err = verify(made.run.push.receipt)
        assert err == "" and str(tmp_path / "outputs" / "hub") in copy["place"]
        assert len(copy["files"]) == 5
        assert {file["verdict"] for file in copy["files"]} == {"as listed"}

    @pytest.mark.parametrize(
        "text",
        [
            "{", "[]", '{"format": 2, "targets": []}', '{"format": 1, "targets": []}',
            '{"format": 1, "targets": [{"target": "hub", "commit": "x"}]}',
        ],
    )  # fmt: skip
    def test_what_is_none(self, tmp_path, verify, text):
        (tmp_path / "receipt.json").write_text(text)
        status, copies, err = verify(tmp_path / "receipt.json")
        assert (status, copies) == (1, []) and "receipt" in err and len(err.splitlines()) <= 3


class TestAddress:
    """A release in a folder behind https."""

    @pytest.fixture
    def served(self, release, tmp_path, monkeypatch):
        keys = tmp_path / "keys"
        keys.mkdir()
        with https_server(release.parent, keys) as served:
            monkeypatch.setenv("SSL_CERT_FILE", str(served.ca))
            monkeypatch.setenv("no_proxy", "*")
            yield served

    def test_every_file_is_read(self, release, served, verify):
        for address in ("release", "release/", "release/SHA256SUMS", "release/release.json"):
            status, (copy,), err = verify(f"{served.url}/{address}")
            assert (status, err, copy["problems"]) == (0, "", [])
            assert copy["place"] == f"{served.url}/release"
            assert [f["name"] for f in copy["files"] if f["opened"] == "safe"] == WEIGHTS
        flip(release / STATE_DICT)
        (release / COMPRESSION).unlink()
        status, (copy,), _ = verify(f"{served.url}/release")
        assert status == 1
        assert [told.split()[0] for told in problems(copy)] == WEIGHTS

    def test_a_server_that_breaks_off(self, served, verify):
        served.cut = 10
        status, copies, err = verify(f"{served.url}/release")
        assert (status, copies) == (1, []) and "broke off" in err


def test_what_the_system_does_not_let_be_read_is_an_answer_for_programs_too(capsys):
    assert main(["n" * 300, "--json"]) == 1  # a name that no disk has room for
    said = capsys.readouterr()
    assert json.loads(said.out)["error"]["what"] and said.err.startswith("error ")

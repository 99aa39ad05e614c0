"""The cache as Hub clients see it: the real huggingface_hub, offline."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import LockedError, PushError
from pipeline.schema import CacheConfig
from pipeline.stage import Plan
from stages.push.cached_repo import CachedRepo
from tests.releases import Fabricated, fabricate, package, push, write_samples

REPO = "local/musicgen_small"


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    return tmp_path / "out puts 'ü'"


@pytest.fixture
def made(outputs: Path) -> Fabricated:
    made = fabricate(outputs)
    made.make(package())
    return made


def another(outputs: Path, number: int = 2) -> Fabricated:
    """Make another variant of the same release."""
    weights = b"%d" % number * 3000
    made = fabricate(outputs, variant=f"other-{number}", weights=weights)
    made.make(package())
    return made


def receipt(made: Fabricated) -> dict[str, Any]:
    (entry,) = json.loads(made.run.push.receipt.read_text())["targets"]
    assert isinstance(entry, dict)
    return entry


def download(cache: Path, name: str, revision: str | None = None) -> Path:
    from huggingface_hub import hf_hub_download

    path = hf_hub_download(REPO, name, revision=revision, cache_dir=cache, local_files_only=True)
    return Path(path)


def scan(cache: Path) -> dict[str, set[str]]:
    """Give the refs of every revision, by commit, as the client's scan sees them."""
    from huggingface_hub import scan_cache_dir

    found = scan_cache_dir(cache)
    assert found.warnings == []
    (repo,) = found.repos
    assert repo.repo_id == REPO
    return {revision.commit_hash: set(revision.refs) for revision in repo.revisions}


def tree(folder: Path) -> dict[str, str | bytes]:
    """Give everything below a folder but locks, by relative path."""
    found: dict[str, str | bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file() and not name.startswith(".locks/"):
            found[name] = path.read_bytes()
    return found


def test_clients_find_every_file_by_branch_tag_variant_and_commit(made: Fabricated) -> None:
    made.make(push())
    hub, release = made.run.outputs.hub, made.run.release
    commit = receipt(made)["commit"]
    for revision in (None, "main", "v1.0.0", made.run.root.name, commit):
        for name in ("state_dict.bin", "compression_state_dict.bin", "README.md"):
            found = download(hub, name, revision)
            assert found.read_bytes() == (release.root / name).read_bytes()
    assert scan(hub) == {commit: {"main", "v1.0.0", made.run.root.name}}


def test_a_snapshot_is_complete_for_the_client(made: Fabricated) -> None:
    from huggingface_hub import snapshot_download

    made.make(push())
    folder = snapshot_download(REPO, cache_dir=made.run.outputs.hub, local_files_only=True)
    assert sorted(os.listdir(folder)) == sorted(os.listdir(made.run.release.root))


def test_files_in_folders_are_found_too(made: Fabricated) -> None:
    write_samples(made.run.release, {"0.wav": b"RIFF"})
    made.make(push())
    assert download(made.run.outputs.hub, "samples/0.wav").read_bytes() == b"RIFF"
    scan(made.run.outputs.hub)


def test_weights_are_linked_and_texts_are_not(made: Fabricated) -> None:
    made.make(push())
    hub, release = made.run.outputs.hub, made.run.release
    assert download(hub, "state_dict.bin").samefile(release.state_dict)
    assert not download(hub, "README.md").samefile(release.card)


def test_a_second_push_changes_nothing_and_says_so(made: Fabricated) -> None:
    made.make(push())
    before, first = tree(made.run.outputs.hub), receipt(made)
    made.notes.lines.clear()
    made.make(push())
    assert tree(made.run.outputs.hub) == before
    assert receipt(made) == {**first, "changed": False}
    assert first["previous"] is None
    assert any("is unchanged at" in line for line in made.notes.lines)


def test_the_same_release_is_the_same_commit_everywhere(made: Fabricated, tmp_path: Path) -> None:
    made.make(push())
    there = fabricate(tmp_path / "elsewhere", variant="another-name")
    there.make(package())
    there.make(push())
    assert receipt(there)["commit"] == receipt(made)["commit"]


def test_a_new_variant_moves_branch_and_tag_and_tells_from_where(
    made: Fabricated, outputs: Path
) -> None:
    made.make(push())
    second = another(outputs)
    second.make(push())
    old, new = receipt(made)["commit"], receipt(second)["commit"]
    assert receipt(second)["previous"] == old
    assert scan(outputs / "hub") == {
        old: {made.run.root.name},
        new: {"main", "v1.0.0", "other-2"},
    }
    assert any(f"v1.0.0 -> {new[:12]} (was {old[:12]})" in line for line in second.notes.lines)
    weights = download(outputs / "hub", "state_dict.bin", made.run.root.name)
    assert weights.read_bytes() == made.run.release.state_dict.read_bytes()


def test_from_where_it_moved_is_that_of_the_latest_move(made: Fabricated, outputs: Path) -> None:
    second, third = another(outputs, 2), another(outputs, 3)
    for each in (second, made, third, made, made):
        each.make(push())
    assert receipt(made)["previous"] == receipt(third)["commit"]


def test_in_a_sweep_only_the_variants_own_revision_appears(made: Fabricated, outputs: Path) -> None:
    made.make(push())
    second = another(outputs)
    second.make(push(sweep=True))
    assert scan(outputs / "hub") == {
        receipt(made)["commit"]: {"main", "v1.0.0", made.run.root.name},
        receipt(second)["commit"]: {"other-2"},
    }
    assert receipt(second)["refs"] == ["other-2"]


def test_without_a_tag_there_is_none(made: Fabricated) -> None:
    made.make(push(tag=None))
    assert receipt(made)["refs"] == ["main", made.run.root.name]


def test_a_branch_or_tag_may_have_a_folder(made: Fabricated) -> None:
    made.make(push(revision="next/main", tag="jazz/v1"))
    assert download(made.run.outputs.hub, "state_dict.bin", "jazz/v1").is_file()
    scan(made.run.outputs.hub)


def test_a_cache_of_ones_own_is_used(made: Fabricated, tmp_path: Path) -> None:
    made.make(push(cache=CacheConfig(dir=str(tmp_path / "my hub"))))
    assert download(tmp_path / "my hub", "state_dict.bin").is_file()
    assert not made.run.outputs.hub.exists()
    assert receipt(made)["load_with"]["AUDIOCRAFT_CACHE_DIR"] == str(tmp_path / "my hub")


def test_a_text_edited_in_place_does_not_reach_the_cache(made: Fabricated) -> None:
    made.make(push())
    with made.run.release.card.open("a") as card:
        card.write("scribble")
    assert "scribble" not in download(made.run.outputs.hub, "README.md").read_text()


@pytest.fixture
def other_disk() -> Iterator[Path]:
    """Give a folder on another disk than the outputs, where hard links cannot reach."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev:
        pytest.skip("there is no second disk here")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def test_a_cache_on_another_disk_gets_copies(made: Fabricated, other_disk: Path) -> None:
    stage = push(cache=CacheConfig(dir=str(other_disk / "hub")))
    made.plans["export_lm"] = Plan("", size=100)
    assert stage.check(made.context("push")) == []
    made.make(stage)
    weights = download(other_disk / "hub", "state_dict.bin").resolve()
    assert weights.read_bytes() == made.run.release.state_dict.read_bytes()
    inode = weights.stat().st_ino
    made.make(stage)
    assert weights.stat().st_ino == inode
    for content in (b"short", b"x" * weights.stat().st_size):
        weights.write_bytes(content)
        made.make(stage)
        assert weights.read_bytes() == made.run.release.state_dict.read_bytes()


def test_a_copy_that_does_not_fit_is_known_before(made: Fabricated, other_disk: Path) -> None:
    made.plans["export_lm"] = Plan("", size=10**18)
    stage = push(cache=CacheConfig(dir=str(other_disk / "hub")))
    (problem,) = stage.check(made.context("push"))
    assert "1000000000.00 GB are needed" in problem.what
    assert "push.cache.dir=" in problem.hint


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """Put a small disk of its own at a folder while the block runs."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this user may not mount")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_cache_is_a_problem(made: Fabricated, tmp_path: Path) -> None:
    stage = push(cache=CacheConfig(dir=str(tmp_path / "disk" / "hub")))
    with mounted(tmp_path / "disk", "ro"):
        (problem,) = stage.check(made.context("push"))
    assert "cannot be written" in problem.what
    assert "push.cache.dir=" in problem.hint


def test_a_full_disk_is_named_with_the_remedy(made: Fabricated, tmp_path: Path) -> None:
    stage = push(cache=CacheConfig(dir=str(tmp_path / "disk")))
    with (
        mounted(tmp_path / "disk", "size=16k"),
        pytest.raises(PushError, match="No space left on device") as caught,
    ):
        made.make(stage)
    assert "push.cache.dir=" in caught.value.hint
    assert len(str(caught.value).splitlines()) == 3


def test_another_publisher_is_waited_for_and_not_for_ever(outputs: Path) -> None:
    first, second = (CachedRepo(outputs / "hub", REPO, patience=0.05) for _ in range(2))
    with first.locked(), pytest.raises(LockedError, match="keeps publishing"), second.locked():
        pass
    with second.locked() as staging:
        assert staging.is_dir()


# What is spoilt is put right


def blob(made: Fabricated, name: str) -> Path:
    return download(made.run.outputs.hub, name).resolve()


@pytest.mark.parametrize("name", ["state_dict.bin", "README.md"])
@pytest.mark.parametrize("content", [b"", b"short"])
def test_a_blob_cut_short_is_put_right(made: Fabricated, name: str, content: bytes) -> None:
    made.make(push())
    before = tree(made.run.outputs.hub)
    spoilt = blob(made, name)
    spoilt.unlink()
    spoilt.write_bytes(content)
    made.make(push())
    assert tree(made.run.outputs.hub) == before


@pytest.mark.parametrize("name", ["state_dict.bin", "README.md"])
def test_a_blob_of_the_right_size_with_other_content_is_put_right(
    made: Fabricated, name: str
) -> None:
    made.make(push())
    before = tree(made.run.outputs.hub)
    spoilt = blob(made, name)
    size = spoilt.stat().st_size
    spoilt.unlink()
    spoilt.write_bytes(b"x" * size)
    made.make(push())
    assert tree(made.run.outputs.hub) == before


def test_a_snapshot_that_lost_a_file_is_put_right(made: Fabricated) -> None:
    from huggingface_hub import errors, snapshot_download

    made.make(push())
    hub = made.run.outputs.hub
    snapshot = Path(snapshot_download(REPO, cache_dir=hub, local_files_only=True))
    (snapshot / "state_dict.bin").unlink()
    (snapshot / "stranger.txt").write_text("?")
    if hasattr(errors, "IncompleteSnapshotError"):  # before 2.0 the client did not look
        with pytest.raises(errors.IncompleteSnapshotError):
            snapshot_download(REPO, cache_dir=hub, local_files_only=True)
    made.make(push())
    assert snapshot_download(REPO, cache_dir=hub, local_files_only=True)
    assert sorted(os.listdir(snapshot)) == sorted(os.listdir(made.run.release.root))


def test_a_ref_with_a_newline_is_put_right(made: Fabricated) -> None:
    made.make(push())
    ref = made.run.outputs.hub / "models--local--musicgen_small" / "refs" / "main"
    ref.write_text(ref.read_text() + "\n")
    made.make(push())
    assert len(ref.read_bytes()) == 40


def test_a_text_that_changed_while_it_was_sent_is_refused(made: Fabricated) -> None:
    """`SHA256SUMS` names release.json by the content it had."""
    with made.run.release.manifest.open("a") as manifest:
        manifest.write(" ")
    with pytest.raises(PushError, match=r"release.json is not what SHA256SUMS says"):
        made.make(push())


def test_writers_at_once_all_arrive(outputs: Path) -> None:
    variants = [another(outputs, number) for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda made: made.make(push()), variants))
    revisions = scan(outputs / "hub")
    assert set(revisions) == {receipt(made)["commit"] for made in variants}
    named = {ref for refs in revisions.values() for ref in refs}
    assert named == {"main", "v1.0.0", *(made.run.root.name for made in variants)}


@pytest.fixture
def killed(made: Fabricated, tmp_path: Path) -> list[Path]:
    """Give caches whose publisher was killed before its 1st, 2nd, ... touch of the disk."""
    caches = tmp_path / "caches"
    caches.mkdir()
    folders = [str(made.run.root), str(made.run.outputs.root), str(caches)]
    command = [sys.executable, "-W", "error", "-m", "tests.stages.push.killed_publisher", *folders]
    subprocess.run(command, cwd=Path(__file__).parents[3], check=True)
    return sorted(path for path in caches.iterdir() if path.name.isdigit())


def test_a_publisher_killed_anywhere_leaves_nothing_half_and_the_next_completes(
    made: Fabricated, tmp_path: Path, killed: list[Path]
) -> None:
    whole = tree(tmp_path / "caches" / "whole")
    assert len(killed) > 30
    for cache in killed:
        repo = cache / "models--local--musicgen_small"
        if (repo / "refs" / "main").exists():
            assert download(cache, "state_dict.bin").is_file()
        if repo.joinpath("snapshots").exists():
            scan(cache)
        made.make(push(cache=CacheConfig(dir=str(cache))))
        assert tree(cache) == whole


def test_what_changes_is_told_before_it_does(outputs: Path, made: Fabricated) -> None:
    made.make(push())
    assert "cache: 5 of 5 files are new or changed, 27.3 kB" in "\n".join(made.notes.lines)
    other = another(outputs)
    other.make(push())
    told = "\n".join(other.notes.lines)
    assert "~ state_dict.bin" in told and "= README.md, compression_state_dict.bin" in told
    assert receipt(other)["changes"]["same"] == ["README.md", "compression_state_dict.bin"]
    other.notes.lines.clear()
    other.make(push())
    assert not [line for line in other.notes.lines if "new or changed" in line]

import errno
import os

import pytest

from pipeline import files
from pipeline.errors import OutputError


def test_a_text_is_whole_or_absent(tmp_path):
    target = tmp_path / "run.json"
    files.write_text(target, "one\n")
    files.write_text(target, "zwei ✓\n")
    assert target.read_bytes() == "zwei ✓\n".encode()
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_file_that_was_not_completed_leaves_the_one_before(tmp_path):
    target = tmp_path / "weights"
    target.write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt), files.new_file(target) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert target.read_bytes() == b"before" and os.listdir(tmp_path) == ["weights"]
    with files.new_file(target) as file:
        file.write(b"after")
        assert target.read_bytes() == b"before"
    assert target.read_bytes() == b"after" and os.listdir(tmp_path) == ["weights"]


def test_a_folder_replaces_the_one_before(tmp_path):
    for round_ in ("first", "second"):
        ready = tmp_path / "out.tmp"
        ready.mkdir()
        (ready / round_).touch()
        files.replace_folder(ready, tmp_path / "out")
    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(tmp_path / "out") == ["second"]


def test_what_a_kill_left_aside_does_not_block_the_next_replacement(tmp_path):
    (tmp_path / "out.old" / "deep").mkdir(parents=True)
    (tmp_path / "out.tmp").mkdir()
    files.replace_folder(tmp_path / "out.tmp", tmp_path / "out")
    assert os.listdir(tmp_path) == ["out"]


def test_links_share_the_bytes_and_symlinks_stay_symlinks(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "weights").write_bytes(b"w")
    (source / "deep").mkdir()
    (source / "deep" / "wav").write_bytes(b"a")
    (source / "pointer").symlink_to("elsewhere")
    files.link_tree(source, tmp_path / "target")
    target = tmp_path / "target"
    assert (target / "weights").samefile(source / "weights")
    assert (target / "deep" / "wav").read_bytes() == b"a"
    assert os.readlink(target / "pointer") == "elsewhere"


def test_removing_what_is_not_there_is_fine(tmp_path):
    files.remove(tmp_path / "nothing")
    (tmp_path / "dangling").symlink_to("nowhere")
    files.remove(tmp_path / "dangling")
    assert not os.listdir(tmp_path)


def test_free_space_of_a_folder_to_be(tmp_path):
    assert files.free_bytes(tmp_path / "not" / "yet") > 0


def test_the_operating_systems_refusals_have_words():
    full = OutputError.from_os(OSError(errno.ENOSPC, "x"), "/outputs")
    assert full is not None and "disk is full" in str(full)
    assert OutputError.from_os(OSError(errno.ENOENT, "x"), "/outputs") is None


@pytest.mark.parametrize("size", [0, 1, files.BUFFER, files.BUFFER + 1])
def test_digest_tells_the_size_and_the_progress(tmp_path, size):
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)
    seen: list[int] = []
    assert files.file_digest(path, seen.append).size == size == sum(seen)

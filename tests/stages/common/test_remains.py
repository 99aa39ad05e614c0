"""A checkpoint that lost its end still says what it was going to be."""

import os

import pytest
import torch

from pipeline.errors import FormatError
from stages.common.archive import Archive
from stages.common.remains import Remains
from tests.archives import packed, saved
from tests.experiments import write_lm_experiment


@pytest.fixture
def checkpoint(tmp_path):
    return write_lm_experiment(tmp_path) / "checkpoint.th"


def test_its_pickle_is_read_without_its_end(checkpoint):
    with Archive.open(checkpoint) as archive:
        whole = archive.root
    os.truncate(checkpoint, checkpoint.stat().st_size // 2)
    with pytest.raises(FormatError, match="cut off"):
        Archive.open(checkpoint)
    with Remains.open(checkpoint) as remains:
        assert remains.root == whole
        assert dict(remains.records) == {}


def test_a_large_pickle_is_not_charged_for_what_follows_it(tmp_path):
    root = {"history": [[] for _ in range(250_000)], "best_state": {"w": torch.zeros(5 << 20)}}
    path = saved(tmp_path / "c.th", root)
    os.truncate(path, 20 << 20)
    with Remains.open(path) as remains:
        assert remains.root["history"] == root["history"]


def test_a_mark_inside_the_pickle_does_not_end_it(tmp_path):
    marks = "PK\7\x08" + "\0" * 8 + "PK\7\x08"
    path = saved(tmp_path / "c.th", {"a": marks, "w": torch.zeros(1000)})
    os.truncate(path, path.stat().st_size // 2)
    with Remains.open(path) as remains:
        assert remains.root["a"] == marks


@pytest.mark.parametrize("size", [3, 500, 5000])
def test_a_pickle_that_is_cut_off_says_nothing(checkpoint, size):
    os.truncate(checkpoint, size)
    with pytest.raises(FormatError), Remains.open(checkpoint) as remains:
        assert remains.root


def test_what_does_not_begin_with_its_pickle(tmp_path):
    path = tmp_path / "c.th"
    path.write_bytes(b"PK\3\4" + bytes(2000))
    with pytest.raises(FormatError, match=r"does not begin with its data\.pkl"):
        Remains.open(path)


class Hostile:
    def __reduce__(self):
        return os.system, ("echo ran > /dev/null",)


def test_nothing_of_it_is_run(tmp_path):
    path = saved(tmp_path / "c.th", {"x": Hostile(), "w": torch.zeros(1000)})
    os.truncate(path, path.stat().st_size // 2)
    with Remains.open(path) as remains, pytest.raises(FormatError, match=r"posix\.system"):
        assert remains.root


def test_a_persistent_id_that_is_no_storage(tmp_path):
    pickle = b"\x80\x02X\x01\x00\x00\x00aQ." + bytes(2000)
    with (
        Remains.open(packed(tmp_path / "c.th", pickle)) as remains,
        pytest.raises(FormatError, match="no storage"),
    ):
        assert remains.root


def test_a_key_of_a_storage_is_a_text_and_not_whatever_can_be_written_as_one(tmp_path):
    doubled = b"".join(
        b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86q" + bytes([n + 1]) + b"0" for n in range(60)
    )
    reference = b"(X\x07\0\0\0storagectorch\nFloatStorage\nh\x3cX\x03\0\0\0cpuK\x01tQ."
    pickle = b"\x80\x02K\x01q\x000" + doubled + reference + bytes(2000)
    path = packed(tmp_path / "a.th", pickle)
    with Remains.open(path) as remains, pytest.raises(FormatError, match="data/tuple"):
        _ = remains.root

"""Whether a file is in the page cache, and putting it there."""

import os

import pytest

from benchmarks import cache
from benchmarks.machine import machine


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(3_000_000))
    if machine(tmp_path)["file_system"] == "tmpfs":
        pytest.skip("a file system that is in memory keeps all of it there")
    cache.drop(path)
    return path


def test_a_dropped_file_is_not_cached_and_asking_does_not_change_that(path):
    assert cache.cached(path) == 0
    assert cache.cached(path) == 0


def test_a_filled_file_is_cached(path):
    cache.fill(path)

    assert cache.cached(path) == 1


def test_a_file_that_is_cached_in_part_is_filled(path):
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)  # no readahead
        file.read(1_000_000)
    assert 0 < cache.cached(path) < 1

    cache.fill(path)

    assert cache.cached(path) == 1

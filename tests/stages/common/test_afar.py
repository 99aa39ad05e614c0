"""A pickle in an archive that is elsewhere: what is asked for, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from pipeline.errors import FormatError
from stages.common.afar import TAIL, demand_safe
from tests.archives import packed, saved
from tests.hostile.archives import ARCHIVES, ENTRY, EVIL, field, rewritten
from tests.hostile.pickles import PICKLES


class Served:
    """A file, with a list of what was read of it."""

    def __init__(self, path: Path) -> None:
        self.content, self.asked = path.read_bytes(), list[int]()

    def read(self, start: int, length: int) -> bytes:
        assert start >= 0 and length > 0 and start + length <= len(self.content)
        self.asked.append(length)
        return self.content[start : start + length]

    def demand_safe(self) -> None:
        demand_safe(self.read, len(self.content), "a.bin")


@pytest.mark.parametrize(("count", "requests"), [(1, 2), (1500, 3)])
def test_a_few_kilobytes_are_read(tmp_path, count, requests):
    weights = {f"{at}": torch.zeros(5000) for at in range(count)}
    served = Served(saved(tmp_path / "a.bin", weights))
    served.demand_safe()
    assert len(served.asked) == requests
    assert sum(served.asked) < 6 * TAIL


def test_a_file_smaller_than_what_is_asked_for_at_once(tmp_path):
    Served(saved(tmp_path / "a.bin", {})).demand_safe()


@pytest.mark.parametrize("name", PICKLES)
def test_what_no_checkpoint_holds(tmp_path, name):
    make, says = PICKLES[name]
    path = packed(tmp_path / "a.bin", make("false"), {"data/0": bytes(16)})
    with pytest.raises(FormatError, match=says):
        Served(path).demand_safe()


@pytest.mark.parametrize(
    "name",
    ["two pickles", "a program", "no pickle", "two roots", "compressed", "a bit of the pickle",
     "a comment", "two ends", "a directory of 4 GB", "twice"],
)  # fmt: skip
def test_archives_that_two_readers_would_read_in_two_ways(tmp_path, name):
    change, _ = ARCHIVES[name]
    path = saved(tmp_path / "a.bin", {"a": torch.zeros(100), "b": torch.ones(100)})
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(FormatError):
        Served(path).demand_safe()


def test_a_record_behind_the_end(tmp_path):
    path = saved(tmp_path / "a.bin", {"a": torch.zeros(100)})
    path.write_bytes(field(ENTRY, "data.pkl", 42, "<I", 1 << 30)(path.read_bytes()))
    with pytest.raises(FormatError, match="not where it should be"):
        Served(path).demand_safe()


def test_the_pickle_is_the_one_that_the_directory_names(tmp_path):
    honest = saved(tmp_path / "a.bin", {"a": torch.zeros(100)}).read_bytes()
    path = tmp_path / "b.bin"
    evil = rewritten(lambda name: "first" if name == "data.pkl" else name, more={"data.pkl": EVIL})
    path.write_bytes(evil(honest))
    with pytest.raises(FormatError, match=re.escape("os.system")):
        Served(path).demand_safe()

"""What a file's size is made of."""

import torch

from stages.common.archive import Archive
from stages.common.contents import Content, contents_of
from tests.archives import saved


def test_each_record_counts_once_under_the_first_key_that_has_it(tmp_path):
    weight = torch.zeros(10)
    root = {
        "history": [1, 2],
        "model": {"a": weight, "b": torch.zeros(3, dtype=torch.float16)},
        "ema": {"state": [{"a": weight, "own": torch.zeros(2, 2)}]},
        "view": weight[:2],
    }
    with Archive.open(saved(tmp_path / "c.th", root)) as archive:
        assert contents_of(archive.root) == (
            Content("model", 2, 46),
            Content("ema", 2, 16),
            Content("view", 1, 0),
        )


def test_what_is_reached_twice_is_walked_once():
    nested: list[object] = []
    for _ in range(60):
        nested = [nested, nested]
    assert contents_of({"deep": nested}) == ()

"""What a receipt says, and what it keeps of an earlier push."""

import json

import pytest

from pipeline.errors import FormatError
from stages.common.receipt import FORMAT, merged_entries, read_receipt

MOVED = {"target": "hub", "commit": "c", "tag": "v1", "tag_was": "old", "changed": True}


@pytest.mark.parametrize(
    ("tag", "seen", "kept"),
    [("v1", None, "old"), ("v1", "newer", "newer"), ("v2", None, None)],
)
def test_where_a_tag_was_is_kept_for_that_tag_and_its_latest_move(tag, seen, kept):
    again = {**MOVED, "tag": tag, "tag_was": seen, "changed": False}
    (entry,) = merged_entries([again], [MOVED])
    assert entry["tag_was"] == kept


@pytest.mark.parametrize("key", ["commit", "parent", "tag_was"])
@pytest.mark.parametrize("value", ["main", "", "A" * 40, "a" * 39, 7])
def test_what_should_be_a_commit_is_one(tmp_path, key, value):
    path = tmp_path / "receipt.json"
    files = {"release.json": {"size": 1, "sha256": "0" * 64}}
    entry = {"target": "hub", "repo_id": "lab/small", "commit": "a" * 40, "files": files}
    path.write_text(json.dumps({"format": FORMAT, "targets": [{**entry, key: "b" * 40}]}))
    (published,) = read_receipt(path)
    assert getattr(published, key) == "b" * 40
    path.write_text(json.dumps({"format": FORMAT, "targets": [{**entry, key: value}]}))
    with pytest.raises(FormatError, match="no receipt that can be read"):
        read_receipt(path)

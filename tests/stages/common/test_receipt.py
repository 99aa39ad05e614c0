"""What a receipt keeps of an earlier push."""

import pytest

from stages.common.receipt import merged_entries

MOVED = {"target": "hub", "commit": "c", "tag": "v1", "tag_was": "old", "changed": True}


@pytest.mark.parametrize(
    ("tag", "seen", "kept"),
    [("v1", None, "old"), ("v1", "newer", "newer"), ("v2", None, None)],
)
def test_where_a_tag_was_is_kept_for_that_tag_and_its_latest_move(tag, seen, kept):
    again = {**MOVED, "tag": tag, "tag_was": seen, "changed": False}
    (entry,) = merged_entries([again], [MOVED])
    assert entry["tag_was"] == kept

"""What has become of a config."""

from stages.common.value_changes import flat, value_changes


def test_nested_values_have_dotted_keys():
    assert flat({"a": {"b": 1, "c": {}}, "d": [{"e": 2}]}) == {"a.b": 1, "a.c": {}, "d": [{"e": 2}]}


def test_changed_gone_and_new_are_told_apart():
    found = value_changes({"same": 1, "was": 2, "old": 3}, {"same": 1, "was": 4, "new": None})
    assert found.changed == {"was": (2, 4)}
    assert (found.gone, found.new) == ({"old": 3}, {"new": None})
    assert found.keys == ("new", "old", "was") and found.compared == 2


def test_a_number_is_not_its_text_and_a_whole_one_no_float():
    found = value_changes({"a": 1, "b": 1, "c": True}, {"a": "1", "b": 1.0, "c": 1})
    assert set(found.changed) == {"a", "b", "c"}


def test_nan_stays_nan():
    assert not value_changes({"a": float("nan")}, {"a": float("nan")})

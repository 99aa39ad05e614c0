import math

import pytest

from pipeline import lenient


@pytest.mark.parametrize("text", ["", "{", "\udc80", "[" * 100_000, "1" * 10_000])
def test_what_is_no_json_is_empty(tmp_path, text):
    path = tmp_path / "some.json"
    assert lenient.content(path) is None
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert lenient.content(path) is None
    assert lenient.mapping(path) == {}
    assert lenient.content(tmp_path) is None


def test_only_objects_are_taken():
    assert lenient.mapping({"a": 1}) == {"a": 1}
    assert lenient.mapping([1]) == lenient.mapping(None) == {}
    assert lenient.mappings([{"a": 1}, 2, [3]]) == [{"a": 1}]
    assert lenient.mappings({"a": 1}) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400, True, None, "1", [1]])
def test_only_finite_numbers_are_taken(value):
    assert lenient.number(value) is None
    assert lenient.whole(value) is None


def test_numbers_are_taken():
    assert (lenient.number(2), lenient.number(-0.5)) == (2.0, -0.5)
    assert (lenient.whole(2), lenient.whole(-1), lenient.whole(1 << 63)) == (2, None, None)


def test_every_text_can_be_written():
    assert lenient.text("a\ud800b") == "a?b"
    assert lenient.text(None) == lenient.text(3) == ""

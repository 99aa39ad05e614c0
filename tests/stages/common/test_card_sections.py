import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common.card_sections import has_parts, marked, renewed

CARD = "# Model\n\nText.\n\n## How to load\n\n```python\nx = 1  # one\n```\n\n## License\n\nMIT\n"
LINES = st.sampled_from(["# A", "## B", "## B", "## C d", "text", "", "```", "<b>", "## ", "- x"])
TEXTS = st.lists(LINES, max_size=12).map("\n".join)


def markers(text: str) -> list[str]:
    return re.findall(r"<!-- (?:end of )?generated: ([a-z0-9-]+)", text)


def test_each_heading_of_the_second_level_is_a_part() -> None:
    text = marked(CARD)
    assert markers(text) == [name for name in ("about", "how-to-load", "license") for _ in range(2)]
    shown = re.sub(r"<!--.*?-->\n*", "", text)
    assert re.sub(r"\n+", "\n", shown) == re.sub(r"\n+", "\n", CARD)


@given(TEXTS)
def test_parts_have_names_of_their_own(text: str) -> None:
    names = markers(marked(text))
    assert names[::2] == names[1::2] and len(set(names)) == len(names) / 2


@given(TEXTS, TEXTS)
def test_a_card_that_is_all_ours_becomes_the_new_one_part_by_part(old: str, new: str) -> None:
    before, after = marked(old).encode(), marked(new).encode()
    assert renewed(after, after) == after
    if markers(before.decode()) == markers(after.decode()):
        assert renewed(before, after) == after


@given(TEXTS, TEXTS, st.text("abc \n", max_size=20), st.text("abc \n", max_size=20))
def test_what_stands_outside_of_parts_stays_byte_for_byte(
    old: str, new: str, before: str, after: str
) -> None:
    theirs = f"{before}{marked(old)}{after}".encode()
    kept = renewed(theirs, marked(new).encode())
    assert kept.startswith(before.encode()) and kept.endswith(after.encode())
    assert set(markers(kept.decode())) == set(markers(marked(old))) & set(markers(marked(new)))


def test_a_part_that_was_taken_out_stays_out() -> None:
    theirs = marked(CARD).encode()
    start, stop = theirs.index(b"<!-- generated: license"), len(theirs)
    kept = renewed(theirs[:start], marked(CARD.replace("Text", "New")).encode())
    assert b"MIT" not in kept and b"New." in kept and stop


@pytest.mark.parametrize("text", [b"", b"# My model\n", b"<!-- generated: x -->"])
def test_a_card_without_parts_stays_as_it_is(text: bytes) -> None:
    assert not has_parts(text)
    assert renewed(text, marked(CARD).encode()) == text


def test_lines_that_end_as_on_windows_do_not_hide_a_part() -> None:
    theirs = marked(CARD).replace("\n", "\r\n").encode() + b"mine\r\n"
    kept = renewed(theirs, marked(CARD.replace("Text", "New")).encode())
    assert b"New." in kept and kept.endswith(b"mine\r\n")

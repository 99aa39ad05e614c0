from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import FormatError
from stages.common.front_matter import Card, dump

OURS = {"license": "cc-by-nc-4.0", "library_name": "audiocraft", "tags": ["musicgen"]}

scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=12)
mappings = st.dictionaries(
    st.text("abcdefghij_", min_size=1, max_size=8),
    scalars | st.lists(scalars, max_size=3),
    max_size=4,
)


def head_of(card: bytes) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(card.decode().split("---\n")[1])
    return loaded


def test_what_a_card_lacks_is_added_below_what_it_says() -> None:
    own = b"---\n# keep me\nlicense: 'other' # mine\n---\n\n# Hello\n"
    done = Card.parse(own).completed(OURS).decode()
    assert done.startswith("---\n# keep me\nlicense: 'other' # mine\nlibrary_name: audiocraft\n")
    assert done.endswith("---\n\n# Hello\n")


def test_a_complete_card_stays_as_it_is() -> None:
    own = f"---\n{dump(OURS)}---\nbody".encode()
    assert Card.parse(own).completed(OURS, ("musicgen",)) == own


def test_a_card_without_front_matter_gets_one() -> None:
    own = "# Hello\n\n---\n\nà bientôt".encode()
    done = Card.parse(own).completed(OURS)
    assert done == b"---\n" + dump(OURS).encode() + b"---\n" + own


def test_our_tag_joins_the_tags_of_a_card() -> None:
    done = Card.parse(b"---\ntags: [jazz]\n---\nbody").completed(OURS, ("musicgen",))
    assert head_of(done)["tags"] == ["jazz", "musicgen"]


def test_a_single_tag_may_be_a_plain_word() -> None:
    done = Card.parse(b"---\ntags: jazz\n---\nbody").completed(OURS, ("musicgen",))
    assert head_of(done)["tags"] == ["jazz", "musicgen"]


def test_flow_style_front_matter_is_written_anew() -> None:
    done = Card.parse(b"---\n{license: mit}\n---\nbody").completed(OURS)
    assert head_of(done) == {**OURS, "license": "mit"}


def test_windows_line_ends_stay() -> None:
    done = Card.parse(b"---\r\nlicense: mit\r\n---\r\nHello\r\n").completed(OURS)
    assert done.count(b"\n") == done.count(b"\r\n")
    assert done.endswith(b"---\r\nHello\r\n")


def test_a_byte_order_mark_does_not_hide_the_front_matter() -> None:
    card = Card.parse(b"\xef\xbb\xbf---\nlicense: mit\n---\nbody")
    assert card.metadata == {"license": "mit"}


@pytest.mark.parametrize("block", [b"---\n---\nbody", b"---\n# nothing\n---\nbody"])
def test_empty_front_matter_is_no_metadata(block: bytes) -> None:
    assert head_of(Card.parse(block).completed(OURS)) == OURS


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"---\nlicense: mit\n# no end", "not closed"),
        (b"---\nlicense: [mit\n---\nbody", "not valid YAML"),
        (b"---\n- a\n- b\n---\nbody", "not a mapping"),
        (b"# caf\xe9", "not UTF-8"),
    ],
)
def test_a_spoilt_card_is_named(content: bytes, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        Card.parse(content)


def test_invalid_yaml_names_its_line() -> None:
    with pytest.raises(FormatError, match="Line 3"):
        Card.parse(b"---\na: 1\nb: c: d\n---\n")


@given(mappings)
@example({"a": "\x85"})
@example({"a": "\u2028é"})
def test_what_is_dumped_reads_back(metadata: dict[str, Any]) -> None:
    assert (yaml.safe_load(dump(metadata)) or {}) == metadata


@given(mappings, st.text(max_size=40), st.sampled_from(["\n", "\r\n"]))
def test_a_person_keeps_keys_and_body(metadata: dict[str, Any], body: str, newline: str) -> None:
    text = f"---\n{dump(metadata)}---\n".replace("\n", newline)
    own = text.encode() + body.encode()
    done = Card.parse(Card.parse(own).completed(OURS, ("musicgen",)))
    assert done.body == body.encode()
    assert done.metadata == {**OURS, **metadata}


@given(mappings)
def test_completing_twice_is_completing_once(metadata: dict[str, Any]) -> None:
    once = Card.parse(f"---\n{dump(metadata)}---\nbody".encode()).completed(OURS, ("musicgen",))
    assert Card.parse(once).completed(OURS, ("musicgen",)) == once

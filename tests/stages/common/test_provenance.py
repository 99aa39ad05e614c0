import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common.provenance import published


@pytest.mark.parametrize(
    "text",
    [
        "//sig/98dabcc6",
        "//pretrained/facebook/encodec_32khz",
        "facebook/musicgen-small",
        "https://example.org/models/state_dict.bin",
        "solver=musicgen/debug",
        "musicgen_small-1.0.0",
    ],
)
def test_public_names_stay(text: str) -> None:
    assert published(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("/checkpoint/ada/encodec.th", ""),
        ("~/encodec.th", ""),
        ("file:///home/ada/x.th", ""),
        ("dset.train=/home/ada/songs", "dset.train="),
        ("dset=/songs", "dset="),
        ("dset=[/home/ada,/srv/b]", "dset="),
        ("/home/ada=/srv/b", ""),
        ("https://ada:secret@example.org/x.bin", "https://example.org/x.bin"),
        ("https://example.org/x.bin?token=secret#part", "https://example.org/x.bin"),
        ("mail ada@example.org", ""),
    ],
)
def test_what_is_of_this_machine_or_a_person_goes(text: str, told: str) -> None:
    assert published(text) == told


def test_numbers_and_structure_stay() -> None:
    facts = {"a": [1, 2.5, None, True, "/x/y"], "b": {"c": "/x"}}
    assert published(facts) == {"a": [1, 2.5, None, True, ""], "b": {"c": ""}}


@given(st.lists(st.text("ab.-_ç", min_size=1, max_size=5), min_size=1, max_size=4))
def test_no_absolute_path_gets_through(parts: list[str]) -> None:
    path = f"/{'/'.join(parts)}"
    assert published([path, f"key={path}", {"deep": path}]) == ["", "key=", {"deep": ""}]

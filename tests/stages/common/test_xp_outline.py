"""Single values of a run's config, held against what OmegaConf makes of the same text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from pipeline.errors import FormatError
from stages.common.xp_outline import Outline
from stages.common.xp_yaml import MAX_LENGTH
from tests.xp_configs import ENCODEC, LM, compose

TEXT = """
solver: musicgen
quoted: '3'
nothing: null
tilde: ~
empty:
missing: ???
rate: 32000
same: ${rate}
again: ${same}
circle: ${circle}
dangling: ${no.such}
call: ${oc.env:HOME}
text: a ${rate} b
whole: ${node}
node: {inner: 1.0e-08, flags: [true, yes, false], deeper: {ratio: -8.5}}
list: [8, 5, x, 4]
true: on
false: off
word: 'true'
huge: 99999999999999999999999999
tagged: !!str 5
none: []
"""


@pytest.fixture
def outline():
    return Outline.of(TEXT)


def test_texts(outline):
    assert outline.text("solver") == "musicgen"
    assert (outline.text("quoted"), outline.text("rate"), outline.text("tagged")) == (
        *("3", "32000", "5"),
    )
    for path in ("nothing", "tilde", "empty", "missing", "no.such", "solver.x", "node", "list", ""):
        assert outline.text(path) is None


def test_numbers(outline):
    assert outline.number("rate") == 32000 and type(outline.number("rate")) is int
    assert outline.number("node.inner") == 1e-8
    assert outline.number("node.deeper.ratio") == -8.5
    assert outline.numbers("list") == (8, 5, None, 4)
    for path in ("quoted", "solver", "nothing", "huge", "tagged", "word", "list", "list.0"):
        assert outline.number(path) is None


def test_truths_and_collections(outline):
    assert outline.flag("true") and not outline.flag("false") and not outline.flag("word")
    assert not outline.flag("node") and not outline.flag("nothing")
    assert outline.names("node") == ("inner", "flags", "deeper")
    assert outline.names("list") == outline.names("solver") == ()
    assert outline.holds("node") and outline.holds("list")
    assert not any(map(outline.holds, ("none", "solver", "nothing")))


def test_references_to_keys_are_followed_and_nothing_else(outline):
    assert outline.number("same") == outline.number("again") == 32000
    assert outline.number("whole.deeper.ratio") == -8.5
    assert outline.names("whole") == outline.names("node")
    assert outline.text("circle") is None and outline.text("dangling") is None
    assert outline.text("call") == "${oc.env:HOME}"
    assert outline.text("text") == "a ${rate} b"


@pytest.mark.parametrize("template", [LM, ENCODEC])
def test_a_config_has_the_values_that_omegaconf_gives(template):
    config = compose(template, {})
    config.dora.dir = "no call of a resolver"
    outline = Outline.of(OmegaConf.to_yaml(config))

    def compared(node, at):
        for key in node:
            path, value = f"{at}{key}", node[key]
            if OmegaConf.is_dict(value):
                yield from compared(value, f"{path}.")
            elif OmegaConf.is_list(value):
                numbers = [item if type(item) in (int, float) else None for item in value]
                assert outline.numbers(path) == tuple(numbers)
            elif isinstance(value, bool):
                yield outline.flag(path) is value
            elif isinstance(value, int | float):
                yield outline.number(path) == value
            else:
                yield outline.text(path) == value

    results = list(compared(config, ""))
    assert len(results) > 80 and all(results)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "[a, b]",
        "a: [",
        "a: b: c",
        "\x00",
        "? [a, b]\n: c",
        "? {a: b}\n: c",
        "a: &a [x]\nb: *a\n",
        "a: 1\n---\nb: 2\n",
        "a: " + "[" * 5000 + "]" * 5000,
        "# " + "x" * MAX_LENGTH,
    ],
)
def test_what_is_no_config(text):
    with pytest.raises(FormatError, match=r"Its xp\.cfg"):
        Outline.of(text)


@given(st.text() | st.text(" \n:-[]{}#&*!|>'\"%@`ab1.,?$"), st.text("ab.1", max_size=8))
def test_any_text_is_read_or_refused(text, path):
    try:
        outline = Outline.of(text)
    except FormatError:
        return
    assert outline.text(path) is None or isinstance(outline.text(path), str)
    assert outline.number(path) is None or isinstance(outline.number(path), int | float)
    assert isinstance(outline.flag(path), bool)

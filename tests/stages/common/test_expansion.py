"""What interpolations come to, against what OmegaConf makes of them."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.errors import FormatError
from stages.common.expansion import Expansion, demand_bounded

PIECES = [
    *("x", "a", "b", "0", "a.b", ".b", "", "${a}", "${b}", "${c}", "${d}", "${a.b}", "${a.b.0}"),
    *("${.a}", "${.b}", "${..a}", "${..b.a}", "${.[0]}", "${c[0]}", "${[a][b]}", "${c[1].a}"),
    *("${${d}}", "${a.${d}}", "${c[${d}]}", "${${d}.a}", "${.${d}}", r"\${a}", r"\\${b}", "${ d }"),
]
KEYS = st.sampled_from(["a", "b", "c", "d", "", "a.b", "{'a': 1}"])
TREES = st.dictionaries(
    KEYS,
    st.recursive(
        st.integers(0, 20) | st.none() | st.lists(st.sampled_from(PIECES), max_size=3).map("".join),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=5,
)


def resolved(tree: Any, key: str) -> Any:
    """Give what OmegaConf makes of one key, all that is in it resolved too."""
    value = OmegaConf.create(tree)[key]
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def weight(value: Any) -> int:
    """Count characters, keys and values."""
    if isinstance(value, dict):
        return 1 + sum(len(str(key)) + weight(item) for key, item in value.items())
    return 1 + sum(map(weight, value)) if isinstance(value, list) else len(str(value))


def demand_counted(tree: Any, key: str) -> None:
    expected = resolved(tree, key)
    found = Expansion(tree).of((key,), tree[key])
    assert found.cost >= weight(expected)
    if not isinstance(expected, dict | list):
        assert found.value == expected


@given(TREES)
def test_whatever_omegaconf_makes_was_counted(tree):
    for key in tree:
        with suppress(OmegaConfBaseException):
            demand_counted(tree, key)


HEAVY = "x" * 500


@pytest.mark.parametrize(
    "tree",
    [
        {"r": "a ${b} c${b}", "b": HEAVY},
        {"r": "${b.c}", "b": {"c": [HEAVY, HEAVY]}},
        {"r": "${b[c]}${[b].c}${ b.c }", "b": {"c": HEAVY}},
        {"r": "${b.1}${b[1]}", "b": ["", HEAVY]},
        {"r": {"s": {"t": "${.u}${..u}${...u}", "u": "1"}, "u": "22"}, "u": HEAVY},
        {"r": ["${.[1]}", HEAVY]},
        {"r": "${b.c.d}", "b": {"c": "${e}"}, "e": {"d": "${.f}", "f": HEAVY}},
        {"r": "${b.${n}}", "n": "c", "b": {"c": HEAVY}},
        {"r": "${b[${n}]}", "n": "c.d", "b": {"c.d": HEAVY}},
        {"r": "${${n}}", "n": "b.c", "b": {"c": HEAVY}},
        {"r": "${b.${n}}", "n": "", "b": {"": HEAVY}},
        {"r": {"s": "${${n}}", "b": HEAVY}, "n": ".b", "b": ""},
        {"r": "${b.${n}}", "n": "${m}", "m": "${k}d", "k": "c", "b": {"cd": HEAVY}},
        {"r": "-${b}-", "b": {"c": [HEAVY]}},
        {"r": "${b.${n}}", "n": "-${c}", "c": {"d": 1}, "b": {"-{'d': 1}": HEAVY}},
        {"r": r"\${b}\\${b}", "b": HEAVY},
    ],
)
def test_every_form_of_a_reference_is_followed(tree):
    assert weight(resolved(tree, "r")) >= 500
    demand_counted(tree, "r")


def test_a_circle_is_left_to_whoever_reads_it():
    demand_bounded({"a": "${b}", "b": "${a}", "c": {"d": "${c}"}, "e": "${nothing}", "f": "${.}"})


@pytest.mark.parametrize("first", ["x" * 400, ["x"] * 400, {"x": "y" * 400}, ""])
def test_what_doubles_is_counted_each_time(first):
    def config(times: int) -> dict[str, Any]:
        return {"a0": first} | {f"a{n}": [f"${{a{n - 1}}}"] * 2 for n in range(1, times + 1)}

    demand_bounded(config(4))
    with pytest.raises(FormatError, match="larger than that of any run: a"):
        demand_bounded(config(14))

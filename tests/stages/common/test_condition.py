"""Conditions on named values: what they mean, and that nothing else gets through."""

import math
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from stages.common.condition import MAX_LENGTH, Condition

VALUES: dict[str, Any] = {
    "epoch": 12,
    "valid.ce": 2.5,
    "evaluate.fad": math.nan,
    "codec": None,
    "solver": "musicgen",
    "label": "",
    "complete": True,
    "fsdp": False,
    "text-to-music.fad_2": 4.0,
    "größe": 3,
}


@pytest.mark.parametrize(
    "text",
    [
        "valid.ce < 3.2 and epoch >= 10",
        "3 > valid.ce > 2 and 12 <= epoch <= 12",
        "valid.ce == 2.5 and valid.ce != 2.6",
        "valid.ce < 1 or epoch > 3 and not fsdp",
        "not (epoch > 3 and fsdp)",
        "solver == 'musicgen' and solver != \"audiogen\" and solver < 'n'",
        "complete == true and fsdp == false and complete != fsdp and complete == True",
        "-1.5 < valid.ce < +1e3",
        "text-to-music.fad_2 == 4 and größe == 3",
        "  epoch\n >\t3 ",
        "complete",
        "true and not false",
    ],
)
def test_what_holds(text):
    assert Condition.parse(text).holds(VALUES)


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">=", "==", "!="])
@pytest.mark.parametrize("name", ["evaluate.fad", "codec", "nothing"])
def test_a_name_without_a_value_makes_its_comparison_false(sign, name):
    assert not Condition.parse(f"{name} {sign} 3").holds(VALUES)
    assert not Condition.parse(f"{name} {sign} {name}").holds(VALUES)
    assert Condition.parse(f"not {name} {sign} 3").holds(VALUES)


@pytest.mark.parametrize("name", ["evaluate.fad", "codec", "nothing", "label", "fsdp"])
def test_a_name_alone_holds_where_its_value_is_true_or_something(name):
    assert not Condition.parse(name).holds(VALUES)
    assert Condition.parse(f"not {name} and solver and epoch").holds(VALUES)


@pytest.mark.parametrize("text", ["solver < 3", "3 < solver", "complete < 2", "complete == 1"])
def test_values_of_two_kinds_are_different_and_in_no_order(text):
    assert not Condition.parse(text).holds(VALUES)
    assert Condition.parse("solver != 3 and complete != 1").holds(VALUES)
    assert not Condition.parse("fsdp < complete").holds(VALUES)


def test_the_names_stand_in_order_once():
    condition = Condition.parse("valid.ce < 3 and (epoch > 3 or true) and 2 < valid.ce < text-a.b")
    assert condition.names == ("valid.ce", "epoch", "text-a.b")


@pytest.mark.parametrize(
    ("text", "why", "where"),
    [
        ("", "it breaks off", ""),
        ("epoch > 3 and", "it breaks off", "epoch > 3 and, at its end"),
        ("epoch = 3", "it takes two signs, ==", "epoch = 3, at: = 3"),
        ("é < 3 and epoch << 3", "names, numbers", "é < 3 and epoch << 3, at: epoch << 3"),
        ("epoch is 3", "only < <= > >= == != compare", "epoch is 3"),
        ("3 < epoch in (3, 4)", "only < <=", "3 < epoch in (3, 4)"),
        ("epoch in range(9**9**9)", "only < <=", "epoch in range(9**9**9)"),
        ("solver == 'a' or 'b'", "a number or a text alone", "solver == 'a' or 'b', at: 'b'"),
        ("epoch and -1", "a number or a text alone", "epoch and -1, at: -1"),
        ("3 < -epoch", "names, numbers", "3 < -epoch, at: -epoch"),
        ("epoch - 1 < 3", "names, numbers", "epoch - 1 < 3"),
        ("a) or (b", "it breaks off", "a) or (b, at: ) or (b"),
        ("__import__('os').system('id')", "names, numbers", "__import__('os').system('id')"),
        ("valid['ce'] < 3", "names, numbers", "valid['ce'] < 3"),
        ("(lambda: 1)() < 3", "names, numbers", "(lambda: 1)() < 3"),
        ("f'{epoch}' == '3'", "names, numbers", "f'{epoch}' == '3'"),
        ("epoch < 3j", "names, numbers", "epoch < 3j, at: 3j"),
        ("epoch < b'3'", "names, numbers", "epoch < b'3', at: b'3'"),
        ("(epoch := 3) < 4", "names, numbers", ""),
        ("epoch < 1e999", "no number is so large", "epoch < 1e999, at: 1e999"),
        ("epoch < -" + "9" * 400, "no number is so large", ""),
        ("not " * 30 + "epoch", "it is nested too deeply", ""),
        ("(" * 300 + "epoch", "it breaks off", ""),
        ("-" * 900 + "1 < epoch", "names, numbers", ""),
        ("epoch\0 < 3", "it breaks off", ""),
        ("epoch == '\ud800'", "it cannot be read", ""),
    ],
)
def test_anything_else_is_refused_with_its_place_and_what_works(text, why, where):
    with pytest.raises(ConfigError) as refused:
        Condition.parse(text, "checkpoint.where")
    assert refused.value.what.startswith(f"checkpoint.where is no condition: {why}")
    assert not where or refused.value.where == where
    assert refused.value.hint.startswith("This works: ")
    assert len(refused.value.where) < 250


def test_what_an_error_says_works_does():
    with pytest.raises(ConfigError) as refused:
        Condition.parse("=")
    assert Condition.parse(refused.value.hint.removeprefix("This works: ")).names == (
        *("valid.ce", "epoch", "evaluate.fad"),
    )


def test_a_condition_that_nobody_types_is_not_even_parsed():
    with pytest.raises(ConfigError, match="too long for a condition: 4,001 characters"):
        Condition.parse("(" * 4001)
    assert Condition.parse(" or ".join(["e"] * 200)).holds({"e": 1})
    with pytest.raises(ConfigError, match="too long"):
        Condition.parse("e" * (MAX_LENGTH + 1))


def test_pythons_remarks_on_style_stay_unsaid(recwarn):
    assert Condition.parse("epoch > 3and 'a\\d' != solver").holds(VALUES)
    assert not recwarn.list


def test_a_name_that_nothing_has_is_told_with_those_that_are_near():
    condition = Condition.parse("valid.cee < 3 and epoch > 3")
    with pytest.raises(ConfigError) as refused:
        condition.demand_known(["epoch", "valid.ce", "train.ce"])
    assert refused.value.what == "--where: nothing has a value valid.cee."
    assert refused.value.where == "valid.cee < 3 and epoch > 3"
    assert refused.value.hint == "Did you mean valid.ce?"
    with pytest.raises(ConfigError, match=r"Did you mean train\.ce or valid\.ce\?"):
        Condition.parse("ce < 3").demand_known(["epoch", "train.ce", "valid.ce"])
    with pytest.raises(ConfigError, match='Known: solver, size .* in quotes: "musicgen"'):
        Condition.parse("solver == musicgen").demand_known(["solver", "size"])
    with pytest.raises(ConfigError, match="Nothing has any value"):
        condition.demand_known([])
    condition.demand_known(iter(["epoch", "valid.cee"]))


def test_a_condition_travels_to_a_worker():
    condition = Condition.parse("valid.ce < 3 or epoch > 20", "checkpoint.where")
    again = pickle.loads(pickle.dumps(condition))
    assert again == condition
    assert again.holds(VALUES)


NAMES = ("epoch", "valid.ce", "solver", "complete", "codec")
OPERANDS = st.sampled_from([*NAMES, "3", "-2.5", "'musicgen'", "true", "False"])
TRUTHS = st.sampled_from([*NAMES, "true"])
COMPARISONS = st.builds(
    lambda first, rest: first + "".join(f" {sign} {operand}" for sign, operand in rest),
    OPERANDS,
    st.lists(
        st.tuples(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), OPERANDS),
        min_size=1,
        max_size=3,
    ),
)
CONDITIONS = st.recursive(
    TRUTHS | COMPARISONS,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner)
        | st.builds("(not {})".format, inner)
    ),
    max_leaves=8,
)
HELD = st.fixed_dictionaries(
    {},
    optional={
        "epoch": st.integers() | st.none(),
        "valid.ce": st.floats() | st.none(),
        "solver": st.sampled_from(["musicgen", "compression", ""]),
        "complete": st.booleans(),
        "codec": st.text() | st.none(),
    },
)


@given(CONDITIONS, HELD)
def test_every_condition_of_that_form_is_read_and_comes_to_a_truth(text, values):
    condition = Condition.parse(text)
    assert condition.holds(values) is not Condition.parse(f"not ({text})").holds(values)
    assert set(condition.names) <= set(NAMES)


@given(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.floats(), st.floats())
def test_numbers_compare_as_python_compares_them(sign, one, other):
    numbers = not math.isnan(one) and not math.isnan(other)
    expected = numbers and eval(f"one {sign} other", {"one": one, "other": other})
    assert Condition.parse(f"one {sign} other").holds({"one": one, "other": other}) is expected


@given(st.text() | st.text("ab_.-1 ()<>=!'\"#\\\n,notr", max_size=20))
def test_any_text_is_a_condition_or_a_clear_error(text):
    try:
        condition = Condition.parse(text)
    except ConfigError as refused:
        assert len(str(refused).splitlines()) == 3 if text.strip() else 2
    else:
        assert condition.holds({}) in (True, False)

"""What a pickle may not do; what it may is tested with whole archives in test_archive."""

from __future__ import annotations

import builtins
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FormatError
from stages.common.inert import Refused
from stages.common.plain import plain
from stages.common.unpickler import unpickle


def no_storage(reference: Any) -> Any:
    raise Refused("a persistent id")


def read(content: bytes) -> Any:
    """Unpickle and convert, with the errors that a user would see."""
    try:
        return plain(unpickle(content, no_storage))
    except Refused as refused:
        raise FormatError(str(refused)) from None


class Runs:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", range(1, 6))
@pytest.mark.parametrize(
    ("function", "name"),
    [
        (os.system, "posix.system"),
        (builtins.eval, "eval"),
        (builtins.exec, "exec"),
        (builtins.__import__, "__import__"),
        (builtins.getattr, "getattr"),
        (builtins.open, "open"),
        (os.execv, "posix.execv"),
    ],
)
def test_no_function_runs_and_the_error_names_it(
    protocol: int, function: Any, name: str, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    hostile = {"best_state": {"model": Runs(function, f"touch {mark}")}}

    with pytest.raises(FormatError, match=rf"the name \S*{name}.*Nothing of it was run"):
        read(pickle.dumps(hostile, protocol))
    assert not mark.exists()


PERSID, INST, OBJ, EXT1 = b"P0\n.", b"(ios\nsystem\n.", b"(cos\nsystem\no.", b"\x82\x01."
GLOBAL_TYPES = b"\x80\x04\x8c\x05torch\x8c\x10_utils.os.system\x93."


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(PERSID, id="persistent id as text"),
        pytest.param(INST, id="INST"),
        pytest.param(OBJ, id="OBJ"),
        pytest.param(EXT1, id="extension registry"),
        pytest.param(b"\x80\x05\x97.", id="out-of-band buffer"),
        pytest.param(GLOBAL_TYPES, id="dotted attribute chain"),
        pytest.param(b"c__builtin__\ndict\n(K\x01K\x02tR.", id="dict of arguments"),
        pytest.param(b"c__builtin__\nint\nX\1\0\0\0" + b"9\x85R.", id="calling int"),
        pytest.param(b"c_codecs\nencode\nX\1\0\0\0aX\3\0\0\0hex\x86R.", id="codec by name"),
        pytest.param(b"c_codecs\nencode\nX\1\0\0\0a\x85R.", id="call without an argument"),
        pytest.param(b"ccollections\ndefaultdict\nccollections\nOrderedDict\n)R\x85R.", id="value"),
        pytest.param(b"coperator\ngetitem\n)R.", id="getitem is no value"),
        pytest.param(b"K\x01)R.", id="calling a number"),
        pytest.param(b"K\x01)\x81.", id="an object of a number"),
        pytest.param(b"ctorch._utils\n_rebuild_tensor_v2\n)R.", id="tensor without arguments"),
        pytest.param(b"ctorch._utils\n_rebuild_parameter\n(NNNtR.", id="parameter of nothing"),
        pytest.param(b"comegaconf.base\nMetadata\n)\x81.", id="metadata is no value"),
        pytest.param(b"comegaconf.nodes\nAnyNode\n)\x81K\x01b.", id="a state that is no dict"),
        pytest.param(b"K\x01}b.", id="a state for a number"),
        pytest.param(b"}]K\x01s.", id="a list as a key"),
        pytest.param(b"}ccollections\nOrderedDict\n)RK\x01s.", id="a dict as a key"),
        pytest.param(b"}X\3\0\0\0\xed\xa0\x80K\x01s.", id="a lone surrogate"),
        pytest.param(b"\x8a\xff" + b"\x7f" * 255 + b".", id="a huge number"),
        pytest.param(b"I" + b"9" * 5000 + b"\n.", id="a huge decimal number"),
        pytest.param(b"L" + b"9" * 5000 + b"L\n.", id="a huge decimal long"),
        pytest.param(b"\x8b\xff\xff\xff\x7f1.", id="a long longer than the file"),
        pytest.param(b"X\xff\xff\xff\xffa.", id="a text longer than the file"),
        pytest.param(b"\x8d" + b"\xff" * 8 + b"a.", id="a text longer than any file"),
        pytest.param(b"\xff.", id="an unknown opcode"),
    ],
)
def test_what_no_checkpoint_holds_is_refused(content: bytes) -> None:
    with pytest.raises(FormatError):
        read(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        b"N",
        b"(.",
        b"(N.",
        b"NN.",
        b"h\x05.",
        b"q\x00.",
        b"t.",
        b"\x85.",
        b"K\x01a.",
        b"}(",
    ]
    + [b"}(K\x01u.", b"]K\x01K\x02s.", b"}K\x01s.", b"R.", b"b.", b"0.", b"1.", b"\x93.", b"Q."]
    + [b"NNe.", b"(K\x01d.", b"\x8f(]\x90.", b"(]\x91.", b"K\x01K\x02\x93."],
)
def test_broken_stacks_are_refused(content: bytes) -> None:
    with pytest.raises(FormatError):
        read(content)


@pytest.mark.parametrize("opener", [b"]", b")", b"}", b"\x8f"])
def test_deep_nesting_is_refused_and_overruns_no_stack(opener: bytes) -> None:
    closer = {b"]": b"a", b")": b"\x85", b"}": b"", b"\x8f": b""}[opener]
    deep = b")" + b"\x85" * 100_000 if opener == b")" else opener * 3000 + closer * 2999

    with pytest.raises(FormatError):
        read(deep + b".")


def test_a_deep_tuple_as_a_key_is_refused() -> None:
    # Hashing it would end the process, not raise.
    with pytest.raises(FormatError, match="a key"):
        read(b"})" + b"\x85" * 500_000 + b"Ns.")


def test_what_contains_itself_is_refused() -> None:
    circle: list[Any] = []
    circle.append({"again": circle, "and again": circle})

    with pytest.raises(FormatError, match="in a circle"):
        read(pickle.dumps(circle, 2))


def test_a_small_pickle_that_unfolds_to_a_huge_value_is_refused() -> None:
    value: Any = ["x"]
    for _ in range(30):
        value = [value, value]

    with pytest.raises(FormatError, match="more than"):
        read(pickle.dumps(value, 2))


def test_depth_that_is_hidden_in_shared_parts_is_refused() -> None:
    parts: list[Any] = [[]]
    for _ in range(20):
        deeper = parts[-1]
        for _ in range(20):
            deeper = [deeper]
        parts.append(deeper)

    with pytest.raises(FormatError, match="too deeply"):
        read(pickle.dumps(parts, 2))


def test_a_text_named_many_times_counts_many_times() -> None:
    with pytest.raises(FormatError, match="more than"):
        read(pickle.dumps(["x" * 1_000_000] * 1000, 2))


def test_a_memo_out_of_order_is_refused() -> None:
    index = struct.pack("<I", 0xFFFFFFFF)

    with pytest.raises(FormatError, match="out of order"):
        read(b"K\x07r" + index + b"0j" + index + b".")


def test_equal_texts_are_one() -> None:
    first, second = read(b"]X\2\0\0\0ceaX\2\0\0\0cea.")

    assert first is second


def test_a_name_cannot_write_to_the_terminal() -> None:
    name = b"\x1b[31m\nred"

    with pytest.raises(FormatError) as caught:
        read(b"\x80\x04\x8c" + bytes([len(name)]) + name + b"\x8c\1x\x93.")
    assert "\x1b" not in str(caught.value) and "\n" not in str(caught.value)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**100), 2**100)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20)
)
KEYS = st.text(max_size=10) | st.integers() | st.booleans() | st.tuples(st.integers(), st.text())
VALUES = st.recursive(
    SCALARS | st.sets(st.integers()) | st.frozensets(st.text(max_size=3)),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(KEYS, inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
    ),
    max_leaves=30,
)


@given(VALUES, st.integers(1, 5))
def test_plain_values_come_back(value: Any, protocol: int) -> None:
    back = read(pickle.dumps(value, protocol))

    assert _thawed(back) == _thawed(value)


def _thawed(value: Any) -> Any:
    """Make sets of frozen ones (protocols before 4 do not tell), and types visible."""
    if isinstance(value, frozenset | set):
        return "set", set(value)
    if isinstance(value, dict):
        return "dict", [(type(key), key, _thawed(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [_thawed(item) for item in value]
    return type(value), value


REAL = pickle.dumps({"a": [1, 2.5, "text", None, {"b": (1, 2)}], "c": b"bytes"}, 2)


@given(st.binary(max_size=60))
def test_any_bytes_give_a_value_or_our_error(content: bytes) -> None:
    _read_or_refuse(content)


@given(st.integers(0, len(REAL) - 1), st.binary(min_size=1, max_size=4), st.integers(0, 4))
def test_changed_pickles_give_a_value_or_our_error(at: int, new: bytes, cut: int) -> None:
    _read_or_refuse(REAL[:at] + new + REAL[at + cut :])


def _read_or_refuse(content: bytes) -> None:
    try:
        read(content)
    except FormatError as error:
        assert str(error).count("\n") < 3

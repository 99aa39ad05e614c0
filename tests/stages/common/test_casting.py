"""Bit by bit what torch does."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.common.casting import FLOATS, TARGETS, cast

PAIRS = [(source, target) for source in FLOATS for target in TARGETS]
HALVES = np.arange(1 << 16, dtype=np.uint16)


def tensor_of(bits: np.ndarray, dtype: str) -> torch.Tensor:
    return torch.from_numpy(bits.view(np.uint8).copy()).view(getattr(torch, dtype))


def assert_as_torch(bits: np.ndarray, source: str, target: str) -> None:
    given_ = tensor_of(bits, source)
    expected = given_.to(getattr(torch, target))
    made, finite, overflowed = cast(memoryview(bits.view(np.uint8)), source, target)
    assert finite == bool(given_.isfinite().all())
    actual = torch.frombuffer(bytearray(made), dtype=getattr(torch, target))

    numbers = ~given_.isnan()
    assert torch.equal(actual[numbers].view(torch.uint8), expected[numbers].view(torch.uint8))
    assert bool(actual[~numbers].isnan().all())
    assert overflowed == int((given_.isfinite() & expected.isinf()).sum())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", ["float16", "bfloat16"])
def test_every_16_bit_number(source: str, target: str) -> None:
    assert_as_torch(HALVES, source, target)


@pytest.mark.parametrize("target", ["float16", "bfloat16"])
@pytest.mark.parametrize("source", ["float32", "float64"])
def test_every_border_between_two_16_bit_numbers(source: str, target: str) -> None:
    halves = tensor_of(HALVES, target).to(getattr(torch, source)).numpy()
    halves = np.sort(halves[np.isfinite(halves)])
    borders = halves[1:] / 2 + halves[:-1] / 2  # Exact: ties, subnormal ones too.
    integers = borders.view(np.uint32 if source == "float32" else np.uint64)
    for near in (integers - 1, integers, integers + 1):
        assert_as_torch(near, source, target)


@pytest.mark.parametrize(("absent", "used"), [((), "numkong"), (("numkong",), "numpy")])
def test_float16_is_the_same_with_and_without_the_library(absent, used) -> None:
    # One of every 4093 bit patterns, both signs, all exponents, NaN among them.
    bits = np.arange(0, 2**32, 4093, dtype=np.uint32)
    code = (
        "import sys; sys.modules.update(dict.fromkeys(sys.argv[1:]));"
        "from stages.common.casting import cast;"
        "made = cast(sys.stdin.buffer.read(), 'float32', 'float16');"
        "sys.stdout.buffer.write(made.block);"
        "print('numkong' if sys.modules.get('numkong') else 'numpy', file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *absent]
    done = subprocess.run(command, input=bits.tobytes(), capture_output=True, check=True)

    assert done.stderr.decode().strip() == used
    made = np.frombuffer(done.stdout, np.uint16)
    expected = tensor_of(bits, "float32").half().view(torch.int16).numpy().view(np.uint16)
    nan = np.isnan(bits.view(np.float32))
    assert np.array_equal(made[~nan], expected[~nan])
    assert np.array_equal(made[nan], bits[nan] >> 16 & 0x8000 | 0x7E00 | bits[nan] >> 13 & 0x3FF)


@pytest.mark.parametrize("start", range(4))
@pytest.mark.parametrize("count", [0, 1, 7, 8, 15, 16, 31, 33, 63, 65])
def test_a_run_of_any_length_that_begins_anywhere(count: int, start: int) -> None:
    values = np.linspace(-3, 3, count, dtype=np.float32)
    block = memoryview(bytes(start) + values.tobytes())[start:]

    made, _, _ = cast(block, "float32", "float16")

    assert bytes(made) == torch.from_numpy(values).half().numpy().tobytes()


@pytest.mark.parametrize(("source", "target"), PAIRS)
@given(numbers=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=40))
def test_any_bits(source: str, target: str, numbers: list[int]) -> None:
    bits = np.array(numbers, dtype=np.uint64)

    assert_as_torch(bits.view(np.uint16) if source[-2:] == "16" else bits, source, target)


@given(st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=40))
@pytest.mark.parametrize("target", TARGETS)
def test_usual_weights(target: str, values: list[float]) -> None:
    for source in ("float32", "float64"):
        bits = np.array(values, dtype=source).view(f"u{np.dtype(source).itemsize}")
        assert_as_torch(bits, source, target)


def test_float64_is_rounded_twice_as_in_torch() -> None:
    # Just above a tie of float16, but a tie as float32.
    value = np.array([1 + 2**-11 + 2**-40])

    made, _, _ = cast(memoryview(value.view(np.uint8)), "float64", "float16")

    assert bytes(made) == b"\x00\x3c" == value.astype(np.float32).astype(np.float16).tobytes()


@pytest.mark.parametrize(
    ("source", "bits", "target", "expected"),
    [
        ("float32", 0x7F800001, "float16", 0x7E00),
        ("float32", 0xFFABCDEF, "float16", 0xFF5E),
        ("float32", 0xFFFFFFFF, "bfloat16", 0x7FC0),
        ("float32", 0x7F812345, "bfloat16", 0x7FC0),
        ("float16", 0x7C01, "float32", 0x7FC02000),
        ("bfloat16", 0x7F81, "float32", 0x7FC10000),
    ],
)
def test_a_nan_has_the_same_bits_on_every_machine(source, bits, target, expected) -> None:
    wide = np.array([bits], dtype=np.uint32 if source == "float32" else np.uint16)

    made, _, overflowed = cast(memoryview(wide.view(np.uint8)), source, target)

    assert (int.from_bytes(made, "little"), overflowed) == (expected, 0)


def test_values_that_leave_the_range_are_counted() -> None:
    values = np.array([65519.0, 65520.0, -1e9, np.inf, np.nan], dtype=np.float32)

    made, _, overflowed = cast(memoryview(values.view(np.uint8)), "float32", "float16")

    assert overflowed == 2
    assert np.frombuffer(made, np.float16)[0] == 65504


def test_nothing_is_cast_to_nothing() -> None:
    assert cast(memoryview(b""), "float32", "float16") == (memoryview(b""), True, 0)

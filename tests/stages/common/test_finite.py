"""NaN and Inf by their bits, against torch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.common.finite import EXPONENTS, NAN_ALONE, all_finite
from tests.archives import DTYPES, elements

ALL_FLOATS = [name for name in DTYPES if "float" in name]
FLOATS = [name for name in DTYPES if name in EXPONENTS and not name.startswith("complex")]


def finite_for_torch(tensor: torch.Tensor) -> bool:
    return bool(tensor.to(torch.float64).isfinite().all())


@pytest.mark.parametrize("name", FLOATS)
def test_every_16_bits(name: str) -> None:
    dtype = getattr(torch, name)
    patterns = torch.arange(-(2**15), 2**15).to(torch.int16)
    if dtype.itemsize <= 2:
        numbers = patterns.view(dtype)
    else:  # the upper half of the bits: sign, exponent and the first of the mantissa
        whole = {4: torch.int32, 8: torch.int64}[dtype.itemsize]
        numbers = (patterns.to(whole) << (8 * dtype.itemsize - 16)).view(dtype)
    raw = elements(numbers)
    for at, finite in enumerate(numbers.to(torch.float64).isfinite().tolist()):
        number = raw[at * dtype.itemsize : (at + 1) * dtype.itemsize]
        assert all_finite(number, name) == finite, number


@given(st.lists(st.floats(width=32)), st.sampled_from(FLOATS))
def test_any_run_of_numbers(numbers: list[float], name: str) -> None:
    tensor = torch.tensor(numbers, dtype=torch.float32).to(getattr(torch, name))
    assert all_finite(elements(tensor), name) == finite_for_torch(tensor)


@pytest.mark.parametrize("name", ["complex64", "complex128"])
@pytest.mark.parametrize("number", [complex(0, float("nan")), complex(float("inf"), 0), 1 + 2j])
def test_both_parts_of_a_complex_number(name: str, number: complex) -> None:
    tensor = torch.tensor([0, number], dtype=getattr(torch, name))
    assert all_finite(elements(tensor), name) == bool(tensor.isfinite().all())


def test_every_float_is_looked_at() -> None:
    assert set(ALL_FLOATS) <= set(EXPONENTS) | set(NAN_ALONE)


@pytest.mark.parametrize("name", ["float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"])
def test_a_float_of_eight_bits_with_one_nan(name: str) -> None:
    for bits in range(256):
        number = torch.tensor([bits], dtype=torch.uint8).view(getattr(torch, name))
        assert all_finite(bytes([bits]), name) == finite_for_torch(number.float()), bits
        assert not all_finite(bytes([bits, NAN_ALONE[name]]), name)


def test_whole_numbers_are_finite() -> None:
    assert all_finite(b"\xff" * 8, "int64") and all_finite(b"\xff", "bool")

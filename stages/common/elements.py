"""The elements of tensors as numbers, a block at a time, whatever their dtype.

float8 is that of the OCP's FP8 and MX formats, and of Graphcore's and AMD's (``fnuz``): sign,
exponent and fraction as in IEEE 754, with their own ways to say infinity and NaN.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from stages.common.stored import Tensor
from stages.common.tensors import ITEMSIZE

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

_PLAIN = (
    *("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float16", "float32", "float64"),
)
"""What numpy has under the same name."""

_PAIRS = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}
"""Of what a complex number is two."""

_EIGHT_BITS = {
    "float8_e4m3fn": (4, 3, 7),
    "float8_e4m3fnuz": (4, 3, 8),
    "float8_e5m2": (5, 2, 15),
    "float8_e5m2fnuz": (5, 2, 16),
}
"""Bits of the exponent, bits of the fraction, and what is subtracted from the exponent."""

_POWERS = "float8_e8m0fnu"
"""A power of two and nothing else."""

NUMBERS = frozenset({*_PLAIN, "bfloat16", *_PAIRS, *_EIGHT_BITS, _POWERS})
"""The dtypes whose elements are numbers here; of the others only the bytes can be compared."""


def side_by_side(left: Tensor, right: Tensor) -> Iterator[tuple[memoryview, memoryview]]:
    """Give the bytes of both in steps of the same elements; both are read to their ends."""
    sizes = ITEMSIZE[left.dtype], ITEMSIZE[right.dtype]
    readers = left.blocks(), right.blocks()
    held = [memoryview(b""), memoryview(b"")]
    while True:
        for side in (0, 1):
            if not held[side]:
                held[side] = next(readers[side], memoryview(b""))
        count = min(len(held[side]) // sizes[side] for side in (0, 1))
        if not count:
            return
        yield held[0][: count * sizes[0]], held[1][: count * sizes[1]]
        held = [held[side][count * sizes[side] :] for side in (0, 1)]


def numbers_in(block: memoryview, dtype: str) -> Array:
    """Give the elements as float64, which holds each of them exactly, but for large 64-bit ones.

    Args:
        block: whole little-endian elements.
        dtype: theirs, one of `NUMBERS`.

    Returns:
        float64, of shape [elements]; of complex ones [2 * elements], real and imaginary in turn.
    """
    import numpy as np

    if dtype == "bfloat16":
        return (np.frombuffer(block, "<u2").astype(np.uint32) << 16).view(np.float32).astype("f8")
    if dtype in _EIGHT_BITS or dtype == _POWERS:
        return _table(dtype)[np.frombuffer(block, np.uint8)]
    return np.frombuffer(block, np.dtype(_PAIRS.get(dtype, dtype))).astype(np.float64)


@cache
def _table(dtype: str) -> Array:
    """Give the 256 numbers of eight bits, as float64."""
    import numpy as np

    codes = np.arange(256)
    if dtype == _POWERS:
        return np.where(codes == 255, np.nan, np.ldexp(1.0, codes - 127))
    exponent_bits, fraction_bits, bias = _EIGHT_BITS[dtype]
    exponent = codes >> fraction_bits & (1 << exponent_bits) - 1
    fraction = codes & (1 << fraction_bits) - 1
    whole = np.where(exponent > 0, fraction + (1 << fraction_bits), fraction)
    numbers = np.ldexp(whole.astype(np.float64), np.maximum(exponent, 1) - bias - fraction_bits)
    signed = np.where(codes & 0x80, -numbers, numbers)
    if dtype.endswith("fnuz"):  # the code of minus zero is the only NaN
        return np.where(codes == 0x80, np.nan, signed)
    if dtype == "float8_e4m3fn":  # no infinity, and one NaN for each sign
        return np.where(codes & 0x7F == 0x7F, np.nan, signed)
    special = np.where(fraction > 0, np.nan, np.copysign(np.inf, signed))
    return np.where(exponent == 31, special, signed)

"""From one floating dtype to another, as torch does it: to the nearest, ties to even.

Bit-equal to ``tensor.to(dtype)`` of torch for every value that is a number. A NaN stays a NaN, the
same on every machine: quiet, with what fits of its payload, and always 0x7FC0 as bfloat16. Torch's
own NaNs are not: as bfloat16 they are 0x7FC0 or 0xFFFF, by processor and place in the tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from stages.common.buffers import buffer
from stages.common.finite import all_finite

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

FLOATS = ("float16", "bfloat16", "float32", "float64")
"""What can be cast; integers, booleans and all others are kept."""

TARGETS = ("float16", "bfloat16", "float32")
"""What can be cast to."""

_INFINITY = {"float16": 0x7C00, "bfloat16": 0x7F80, "float32": 0x7F800000}
_MAGNITUDE = {"float16": 0x7FFF, "bfloat16": 0x7FFF, "float32": 0x7FFFFFFF}


class Cast(NamedTuple):
    """Elements in another dtype.

    Attributes:
        block: their bytes.
        finite: whether there was neither NaN nor Inf among the elements given.
        overflowed: how many finite ones became infinite.
    """

    block: memoryview
    finite: bool
    overflowed: int


def cast(block: bytes | memoryview, source: str, target: str) -> Cast:
    """Cast a run of little-endian elements.

    Args:
        block: the elements, whole ones only.
        source: their dtype, one of `FLOATS`.
        target: the dtype wanted, one of `TARGETS`.
    """
    import numpy as np

    given = floats(block, source)
    # Float64 goes through float32, as in torch: its two roundings are not one.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        single = given.astype(np.float32, copy=False)
        bits = _bits(single, target)
    # What is finite now was so before, but for NaN, which as bfloat16 can be rounded to a number.
    finite = all_finite(bits.data, target) and (target != "bfloat16" or all_finite(block, source))
    overflowed = 0
    if not finite:
        finite = all_finite(block, source)
        infinite = (bits & _MAGNITUDE[target]) == _INFINITY[target]
        overflowed = int((infinite & np.isfinite(given)).sum())
        nan = np.isnan(single)
        bits[nan] = _nan(single[nan].view(np.uint32), target)
    return Cast(bits.view(np.uint8).data, finite, overflowed)


def floats(block: bytes | memoryview, source: str) -> Array:
    """Give elements as numpy's floats; bfloat16, which is the upper half of a float32, as float32.

    Args:
        block: the elements, whole ones only.
        source: their dtype, one of `FLOATS`.
    """
    import numpy as np

    if source != "bfloat16":
        return np.frombuffer(block, dtype=np.dtype(source))
    return (np.frombuffer(block, dtype=np.uint16).astype(np.uint32) << 16).view(np.float32)


def _bits(single: Array, target: str) -> Array:
    """Round float32 to the target and give its bits in a new array."""
    import numpy as np

    if target == "float16":
        return _rounding_to_float16()(single).view(np.uint16)
    bits = single.view(np.uint32)
    if target == "float32":
        return bits.copy()
    # Adding half of the part that is cut off carries into the part that stays; with ties to even.
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)


@cache
def _rounding_to_float16() -> Callable[[Array], Array]:
    """Give what rounds float32: NumKong (the extra ``fast``), else numpy.

    The numbers are the same. On x86 numpy rounds one after the other, which takes twice as long as
    sha256 of the result; NumKong has the processor do it, which takes next to nothing.
    """
    import numpy as np

    try:
        from numkong import astype
    except ImportError:
        return lambda single: single.astype(np.float16)

    def rounded(single: Array) -> Array:
        made = np.frombuffer(buffer(2 * single.size), np.float16)
        # It takes no array whose elements lie across their own boundaries.
        astype(np.require(single, requirements="A"), "float16", out=made)
        return made

    return rounded


def _nan(bits: Array, target: str) -> Array | int:
    """Give a float32 NaN as processors do: its sign, the quiet bit, and what fits of the payload.

    Rounding it would not do: the carry can turn it into an infinity or into zero.
    """
    if target == "bfloat16":
        return 0x7FC0
    if target == "float32":
        return bits | 0x00400000
    return (bits >> 16 & 0x8000) | 0x7E00 | (bits >> 13 & 0x03FF)

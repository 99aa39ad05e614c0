"""NaN and Inf, found by their bits: the exponent is all ones.

That takes no conversion and works for every float, bfloat16 and float8 too.
"""

from __future__ import annotations

from collections.abc import Mapping

EXPONENTS: Mapping[str, tuple[str, int]] = {
    "float16": ("<u2", 0x7C00),
    "bfloat16": ("<u2", 0x7F80),
    "float32": ("<u4", 0x7F80_0000),
    "float64": ("<u8", 0x7FF0_0000_0000_0000),
    "complex32": ("<u2", 0x7C00),
    "complex64": ("<u4", 0x7F80_0000),
    "complex128": ("<u8", 0x7FF0_0000_0000_0000),
    "float8_e5m2": ("u1", 0x7C),
    # No infinity in this one: only the pattern that is all ones is NaN.
    "float8_e4m3fn": ("u1", 0x7F),
}
"""By dtype: the unsigned integer of its size, and the bits that are all ones in NaN and Inf."""


NAN_ALONE: Mapping[str, int] = {
    "float8_e4m3fnuz": 0x80,
    "float8_e5m2fnuz": 0x80,
    "float8_e8m0fnu": 0xFF,
}
"""By dtype: the one pattern that is NaN, where there is no infinity and no exponent for it."""


def all_finite(block: bytes | memoryview, dtype: str) -> bool:
    """Tell whether a run of little-endian elements holds neither NaN nor Inf.

    Args:
        block: the elements, whole ones only.
        dtype: torch's name; one that has no NaN and no Inf is always finite.
    """
    if dtype not in {**EXPONENTS, **NAN_ALONE} or not len(block):
        return True
    import numpy as np

    if dtype in NAN_ALONE:
        return not bool((np.frombuffer(block, "u1") == NAN_ALONE[dtype]).any())
    unsigned, ones = EXPONENTS[dtype]
    bits = np.frombuffer(block, unsigned)
    # Ordered as signed numbers the positive ones are last, as unsigned ones the negative ones are;
    # in each order nothing comes after NaN and Inf.
    positive = bits.view(unsigned.replace("u", "i")).max() < ones
    return bool(positive and bits.max() < ones | 1 << (8 * bits.itemsize - 1))

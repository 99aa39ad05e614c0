"""Amounts as people read them."""

from __future__ import annotations


def amount(value: float, unit: str = "bytes") -> str:
    """Write an amount: bytes as kB, MB, GB, anything else as a number with its noun."""
    if unit != "bytes":
        return f"{value:g} {unit}"
    for name in ("B", "kB", "MB"):
        if value < 999.5:
            return f"{value:.3g} {name}"
        value /= 1000
    return f"{value:.2f} GB"


def apart(one: int, other: int) -> tuple[str, str]:
    """Write two different sizes in MB, with as many digits as it takes to tell them apart."""
    for digits in range(1, 6):
        texts = f"{one / 1e6:.{digits}f} MB", f"{other / 1e6:.{digits}f} MB"
        if texts[0] != texts[1]:
            return texts
    return f"{one:,} bytes", f"{other:,} bytes"


def count(number: int) -> str:
    """Write a number of parameters: in full, or as millions (M) or billions (B)."""
    if number < 1_000_000:
        return f"{number:,}"
    return f"{number / 1e6:.1f} M" if number < 999_950_000 else f"{number / 1e9:.2f} B"

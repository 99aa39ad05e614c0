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
    """Write two amounts of bytes to be compared: exactly, where they would read the same."""
    texts = amount(one), amount(other)
    return texts if texts[0] != texts[1] or one == other else (f"{one:,} B", f"{other:,} B")


def many(number: int, noun: str) -> str:
    """Write a number with its noun: ``1 tensor``, ``1,200 tensors``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def count(number: int) -> str:
    """Write a number of parameters: in full, or as millions (M) or billions (B)."""
    if number < 1_000_000:
        return f"{number:,}"
    return f"{number / 1e6:.1f} M" if number < 999_950_000 else f"{number / 1e9:.2f} B"

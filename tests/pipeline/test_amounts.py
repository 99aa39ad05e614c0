"""Amounts as people read them."""

import pytest

from pipeline.amounts import amount, apart, count


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (999_400, "999 kB"),
        (999_600, "1 MB"),
        (130_103, "130 kB"),
        (999_600_000, "1.00 GB"),
        (6_730_000_000, "6.73 GB"),
    ],
)
def test_bytes(size, text):
    assert amount(size, "bytes") == text


def test_anything_else_has_its_noun():
    assert amount(3, "epochs") == "3 epochs"


@pytest.mark.parametrize(
    ("one", "other", "texts"),
    [
        (2_000_000, 1_000_000, ("2.0 MB", "1.0 MB")),
        (1_540_000, 1_460_000, ("1.54 MB", "1.46 MB")),
        (1_500_001, 1_499_999, ("1,500,001 bytes", "1,499,999 bytes")),
        (6_730_000_001, 6_730_000_000, ("6,730,000,001 bytes", "6,730,000,000 bytes")),
        (8_192, 0, ("0.01 MB", "0.00 MB")),
    ],
)
def test_sizes_that_differ_are_written_so(one, other, texts):
    assert apart(one, other) == texts


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (386_240, "386,240"),
        (1_000_000, "1.0 M"),
        (420_372_480, "420.4 M"),
        (999_970_000, "1.00 B"),
        (1_840_000_000, "1.84 B"),
    ],
)
def test_parameters(number, text):
    assert count(number) == text

"""Amounts as people read them."""

import pytest

from pipeline.amounts import amount, apart, count, many


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


def test_two_to_compare_do_not_read_the_same():
    assert apart(7_720_000, 7_830_000) == ("7.72 MB", "7.83 MB")
    assert apart(7_724_000, 7_721_000) == ("7,724,000 B", "7,721,000 B")
    assert apart(1000, 1000) == ("1 kB", "1 kB")


def test_anything_else_has_its_noun():
    assert amount(3, "epochs") == "3 epochs"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 tensors"), (1, "1 tensor"), (1200, "1,200 tensors")]
)
def test_a_number_of_things(number, text):
    assert many(number, "tensor") == text


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

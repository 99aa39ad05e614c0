"""A thread that works ahead: the same items and errors, bounded, and gone when it should be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common.ahead import ahead


@given(st.lists(st.integers()), st.integers(1, 5))
def test_the_items_come_in_order(items: list[int], depth: int) -> None:
    assert list(ahead(items, depth)) == items


def test_it_is_ahead_by_its_depth_and_no_more() -> None:
    before = threading.active_count()
    made: list[int] = []
    third = threading.Event()

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            if number == 3:
                third.set()
            yield number

    with closing(ahead(items(), 3)) as numbers:
        assert next(numbers) == 0
        assert third.wait(10)  # while nobody asks
    assert made == [0, 1, 2, 3]
    assert threading.active_count() == before


def test_an_error_comes_where_its_item_would() -> None:
    before = threading.active_count()

    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the disk is gone")

    got = []
    with pytest.raises(OSError, match="gone"):
        for item in ahead(items(), 4):
            got.append(item)
    assert got == [1, 2]
    assert threading.active_count() == before

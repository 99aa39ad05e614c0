"""Memory is used again, but never while somebody holds on to it."""

import numpy as np

from pipeline.files import BUFFER
from stages.common.buffers import buffer


def _address(view: memoryview) -> int:
    return np.frombuffer(view, np.uint8).ctypes.data


def test_what_nobody_holds_is_used_again():
    view = buffer(BUFFER)
    where = _address(view)
    del view
    assert _address(buffer(10)) == where


def test_what_is_held_is_left_alone():
    holders = [
        lambda view: view[10:20],
        lambda view: np.frombuffer(view, np.float16)[3:],
        lambda view: memoryview(np.frombuffer(view, np.uint8)[:7]).cast("b"),
    ]
    for hold in holders:
        view = buffer(BUFFER)
        where, held = _address(view), hold(view)
        del view
        others = [buffer(BUFFER) for _ in range(40)]
        assert where not in map(_address, others)
        del held, others


def test_one_that_is_larger():
    assert len(buffer(BUFFER + 1)) == BUFFER + 1
    assert len(buffer(0)) == 0

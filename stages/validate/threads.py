"""How many threads torch uses while a model is run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

SMALL = 64 << 20
"""Bytes of weights below which one thread does: waiting for the others takes longer than the work,
measured on two busy cores six times as long."""


@contextmanager
def fitting(nbytes: int) -> Iterator[None]:
    """Have torch use one thread for a model of ``nbytes`` where that is small."""
    import torch

    before = torch.get_num_threads()
    if nbytes < SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

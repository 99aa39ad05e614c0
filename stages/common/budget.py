"""How much memory reading a file may take, and what every kind of value is counted as.

A file says in a few bytes what takes many, and never has to say it once only; so what it makes is
paid for before it is made. The prices are upper bounds of what CPython 3.11 to 3.13 takes on 64-bit
machines, containers with the room that they keep free.
"""

from __future__ import annotations

from collections.abc import Collection

from stages.common.inert import Refused

LIMIT = 50 << 20
"""Bytes. At these prices MusicGen's large model with its averages, its moments and a thousand
epochs of history takes 42 MB. Directory and config have limits of their own, and together it stays
below 64 MB."""

PLACE = 16
"""On the stack, in the memo, in a list or tuple."""

NUMBER = 32
BYTES = 40
TEXT = 160
"""An empty one, and the entry that lets an equal one be the same; a character takes up to 4."""

LIST, TUPLE, DICT, SET, OBJECT = 96, 56, 64, 216, 256

ITEM = 96
"""A key with its value in a dict that grows, without what they are."""

MEMBER = 112
"""A place in a set that grows."""

ODD_KEY = 2048
"""A key that is no text. It takes less, but its hash is no secret: a few ten thousand that were
chosen to collide take as long as all the rest of a file."""


class Budget:
    """What may still be taken."""

    __slots__ = ("left",)

    def __init__(self, limit: int = LIMIT) -> None:
        """Begin with ``limit`` bytes."""
        self.left = limit

    def spend(self, cost: int) -> None:
        """Pay for what comes next.

        Raises:
            Refused: when there is not enough left.
        """
        self.left -= cost
        if self.left < 0:
            raise self.exceeded

    @property
    def exceeded(self) -> Refused:
        """What to raise when nothing is left."""
        return Refused("more than a checkpoint needs")

    def spend_keys(self, keys: Collection[object], places: int) -> bool:
        """Pay for keys and their places; tell whether all of them are text."""
        texts = list(map(type, keys)).count(str)
        self.spend(places + ODD_KEY * (len(keys) - texts))
        return texts == len(keys)

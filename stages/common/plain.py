"""From what a pickle describes to plain values.

OmegaConf's nodes become what they hold (format: ``omegaconf``'s ``__getstate__``): a config keeps
its content in ``_content``, a value in ``_val``; interpolations and ``???`` are text there.
"""

from __future__ import annotations

from typing import Any

from stages.common import budget
from stages.common.budget import Budget
from stages.common.inert import Instance, Named, Refused, Storage
from stages.common.tensors import TensorRef

MAX_DEPTH = 100
"""Containers in containers; a real checkpoint has about fifteen."""

_ESCAPED = 6
"""Characters that JSON may write for one."""


def plain(value: Any) -> Any:
    """Give dicts, lists, tuples, sets, scalars and `TensorRef`, and nothing else.

    Containers are changed in place. Whatever is reached twice is counted twice, since a small
    pickle can name a list ten times in a list that is named ten times, and so on, and whoever
    copies or writes it will go through all of it.

    Raises:
        Refused: when it holds something else, is nested too deeply, or is too large.
    """
    return _Plain().of(value, 0)


class _Plain:
    """One conversion."""

    def __init__(self) -> None:
        self.budget = Budget()

    def of(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in (str, bytes):
            self.budget.spend(len(value) * (1 if kind is bytes or value.isascii() else _ESCAPED))
        elif kind in (int, float, bool, type(None), TensorRef):
            self.budget.spend(1)
        elif kind is Named:
            return str(value)
        elif kind is Storage:
            return _elements_of(value)
        elif depth >= MAX_DEPTH:
            raise Refused("values nested too deeply, or in a circle")
        elif kind is Instance:
            return self._held(value, depth + 1)
        elif kind is dict:
            self._dict(value, depth + 1)
        elif kind is list:
            self.budget.spend(budget.LIST + budget.PLACE * len(value))
            value[:] = [self.of(item, depth + 1) for item in value]
        else:  # a tuple or a set
            self.budget.spend(budget.SET + budget.MEMBER * len(value))
            return kind(self.of(item, depth + 1) for item in value)
        return value

    def _dict(self, value: dict[Any, Any], depth: int) -> None:
        self.budget.spend(budget.DICT + budget.ITEM * len(value))
        for key, item in value.items():
            self.of(key, depth)
            value[key] = self.of(item, depth)  # No key is new: this is no change of what is walked.

    def _held(self, node: Instance, depth: int) -> Any:
        """Give what an OmegaConf node holds; its metadata and its parent are left out."""
        for name in ("_content", "_val"):
            if name in node.state:
                return self.of(node.state[name], depth)
        raise Refused(f"an object of {node.of} where a value should be")


def _elements_of(storage: Storage) -> TensorRef:
    """Give a storage that stands alone as the one-dimensional tensor of its elements."""
    dtype = storage.dtype or "uint8"
    return TensorRef(storage.record, dtype, 0, (storage.numel,), (1,), storage.numel)

"""From what a pickle describes to plain values.

OmegaConf's nodes become what they hold (format: ``omegaconf``'s ``__getstate__``): a config keeps
its content in ``_content``, a value in ``_val``; interpolations and ``???`` are text there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from stages.common.inert import Instance, Named, Refused, Storage
from stages.common.tensors import TensorRef

MAX_DEPTH = 100
"""Containers in containers; a real checkpoint has about fifteen."""

MAX_SIZE = 2_000_000
"""Values, counted as often as they are reached, and 64 characters of text as one: a small pickle
can name a list ten times in a list that is named ten times, and so on."""

MAX_BITS = 256
"""Bits of an integer; Python takes long to write huge ones as text."""


def plain(value: Any) -> Any:
    """Give dicts, lists, tuples, sets, scalars and `TensorRef`, and nothing else.

    Raises:
        Refused: when it holds something else, is nested too deeply, or is too large.
    """
    return _Plain().of(value, 0)[0]


class _Made(NamedTuple):
    """A plain value, how many values it takes when written out, and how deep it is."""

    value: Any
    size: int
    height: int = 0


class _Plain:
    """One conversion; what is reached twice is converted once."""

    def __init__(self) -> None:
        self.done: dict[int, _Made] = {}

    def of(self, value: Any, depth: int) -> _Made:
        kind = type(value)
        if kind is str or kind is bytes:
            return _Made(value, 1 + len(value) // 64)
        if kind is int and value.bit_length() > MAX_BITS:
            raise Refused(f"a number of more than {MAX_BITS} bits")
        if kind in (int, float, bool, type(None), TensorRef):
            return _Made(value, 1)
        if kind is Named:
            return _Made(str(value), 1)
        if kind is Storage:
            return _Made(_elements_of(value), 1)
        made = self.done.get(id(value))
        if made is None:
            if depth > MAX_DEPTH:
                raise Refused("values nested too deeply, or in a circle")
            made = self.done[id(value)] = self._container(value, depth + 1)
        if made.size > MAX_SIZE:
            raise Refused(f"more than {MAX_SIZE} values")
        if depth + made.height > MAX_DEPTH:
            raise Refused("values nested too deeply")
        return made

    def _container(self, value: Any, depth: int) -> _Made:
        if isinstance(value, Instance):
            held = self._held(value, depth)
            return _Made(held.value, held.size + 1, held.height + 1)
        if isinstance(value, dict):
            keys = [self.of(key, depth) for key in value]
            items = [self.of(item, depth) for item in value.values()]
            made: Any = {key.value: item.value for key, item in zip(keys, items, strict=True)}
        else:
            keys, items = [], [self.of(item, depth) for item in value]
            made = type(value)(item.value for item in items)
        size = 1 + sum(part.size for part in keys) + sum(part.size for part in items)
        return _Made(made, size, 1 + max((item.height for item in items), default=0))

    def _held(self, node: Instance, depth: int) -> _Made:
        """Give what an OmegaConf node holds; its metadata and its parent are left out."""
        for name in ("_content", "_val"):
            if name in node.state:
                return self.of(node.state[name], depth)
        raise Refused(f"an object of {node.of} where a value should be")


def _elements_of(storage: Storage) -> TensorRef:
    """Give a storage that stands alone as the one-dimensional tensor of its elements."""
    dtype = storage.dtype or "uint8"
    return TensorRef(storage.record, dtype, 0, (storage.numel,), (1,), storage.numel)

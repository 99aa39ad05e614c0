"""What a checkpoint's size is made of: the bytes below each of its top-level keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stages.common.tensors import ITEMSIZE, TensorRef


@dataclass(frozen=True)
class Content:
    """One top-level key with tensors below it.

    Attributes:
        key: as in the file.
        tensors: how many there are.
        bytes: of the records that no key before it has.
    """

    key: str
    tensors: int
    bytes: int


def contents_of(root: Mapping[str, Any]) -> tuple[Content, ...]:
    """Weigh a file's keys, in its order; those without tensors are left out."""
    seen: set[str] = set()
    found = []
    for key, value in root.items():
        refs = list(_refs(value, set()))
        new = {ref.record: ref for ref in refs if ref.record not in seen}
        seen |= set(new)
        size = sum(ref.storage_numel * ITEMSIZE[ref.dtype] for ref in new.values())
        if refs:
            found.append(Content(str(key), len(refs), size))
    return tuple(found)


def _refs(value: Any, seen: set[int]) -> Iterator[TensorRef]:
    """Give every tensor below a value; what is reached twice counts once."""
    if isinstance(value, TensorRef):
        yield value
    elif isinstance(value, Mapping | list | tuple) and id(value) not in seen:
        seen.add(id(value))
        for held in value.values() if isinstance(value, Mapping) else value:
            yield from _refs(held, seen)

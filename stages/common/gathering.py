"""The bytes of a tensor whose elements do not lie side by side.

Torch saves such a view with the whole storage behind it; what is published holds its elements only,
in C order. Memory stays small whatever the size: the tensor is cut into pieces of a few MB along
its leading dimensions, and a piece that is spread widely is read in parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipeline.files import BUFFER
from stages.common.tensors import TensorRef

if TYPE_CHECKING:
    import numpy as np

Read = Callable[[int, int], bytes]
"""Gives the file's bytes from an offset on, as many as asked for."""

_PIECE = 8 << 20
"""Bytes that are gathered at once; the larger, the longer the runs that are read from the file."""

_NEAR = 1 << 16
"""Bytes that are read at once even if few of them are wanted."""


def gather(read: Read, begin: int, ref: TensorRef) -> Iterator[memoryview]:
    """Give the tensor's bytes in C order, in steps of at most 1 MB.

    Args:
        read: reads from the file.
        begin: where in the file the tensor's first element is.
        ref: the tensor.
    """
    import numpy as np

    for part, skipped in _pieces(ref, 0):
        piece = np.empty(part.shape, dtype=f"V{ref.itemsize}")
        _fill(read, begin + skipped * ref.itemsize, part, piece)
        elements = piece.reshape(-1).view(np.uint8).data
        for at in range(0, len(elements), BUFFER):
            yield elements[at : at + BUFFER]


def _pieces(ref: TensorRef, skipped: int) -> Iterator[tuple[TensorRef, int]]:
    """Cut along the leading dimension until a piece fits; ``skipped`` elements lie before it."""
    if ref.nbytes <= _PIECE:
        yield ref, skipped
        return
    length, step = ref.shape[0], ref.stride[0]
    rows = max(_PIECE // max(ref.nbytes // length, 1), 1)
    for first in range(0, length, rows):
        part = replace(ref, shape=(min(rows, length - first), *ref.shape[1:]))
        if rows == 1:
            part = replace(ref, shape=ref.shape[1:], stride=ref.stride[1:])
        yield from _pieces(part, skipped + first * step)


def _fill(read: Read, begin: int, ref: TensorRef, into: np.ndarray[Any, Any]) -> None:
    """Copy the elements, read in parts along the widest step where they are far apart."""
    import numpy as np

    size = ref.span * ref.itemsize
    if size <= max(_NEAR, min(4 * ref.nbytes, _PIECE)):
        buffer = read(begin, size)
        steps = tuple(step * ref.itemsize for step in ref.stride)
        into[...] = np.ndarray(ref.shape, into.dtype, buffer, strides=steps)
        return
    reach = [(length - 1) * step for length, step in zip(ref.shape, ref.stride, strict=True)]
    widest = reach.index(max(reach))
    half = ref.shape[widest] // 2
    for first, last in ((0, half), (half, ref.shape[widest])):
        shape = (*ref.shape[:widest], last - first, *ref.shape[widest + 1 :])
        index = (slice(None),) * widest + (slice(first, last),)
        start = begin + first * ref.stride[widest] * ref.itemsize
        _fill(read, start, replace(ref, shape=shape), into[index])

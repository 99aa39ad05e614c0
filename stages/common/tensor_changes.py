"""What has become of a model's tensors: which changed, how far, which went and which came.

Two tensors of one dtype, shape and known CRC are the same and are not read; of the others a
megabyte at a time is in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pipeline.errors import FormatError
from stages.common.elements import NUMBERS, numbers_in, side_by_side
from stages.common.stored import Tensor
from stages.common.tensors import ITEMSIZE


@dataclass(frozen=True)
class Change:
    """How far a tensor moved.

    Attributes:
        elements: how many it has.
        changed: how many of them are not what they were, to the bit; of another dtype, as numbers.
        immeasurable: how many of those were or became NaN or infinite.
        largest: the largest difference between finite numbers.
        square: the sum of the squared differences.
        before: the sum of the squares before.
    """

    elements: int = 0
    changed: int = 0
    immeasurable: int = 0
    largest: float = 0.0
    square: float = 0.0
    before: float = 0.0

    def __add__(self, other: Change) -> Change:
        """Give the change of both together."""
        return Change(
            self.elements + other.elements,
            self.changed + other.changed,
            self.immeasurable + other.immeasurable,
            max(self.largest, other.largest),
            self.square + other.square,
            self.before + other.before,
        )

    @property
    def relative(self) -> float:
        """The length of the difference by the length of the tensor before."""
        return math.sqrt(self.square / self.before) if self.before else float(self.square > 0)


@dataclass(frozen=True)
class ChangedTensor:
    """A tensor that is in both, and not the same.

    Attributes:
        name: of the parameter.
        dtypes: before and after, by torch's name.
        shapes: before and after.
        change: how far it moved; ``None`` where that cannot be said.
        fault: why it cannot be read, where that is so.
        damaged: the file in which it cannot.
    """

    name: str
    dtypes: tuple[str, str]
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    change: Change | None = None
    fault: str = ""
    damaged: str = ""

    @property
    def reshaped(self) -> bool:
        """Whether it has another shape."""
        return self.shapes[0] != self.shapes[1]


@dataclass(frozen=True)
class TensorChanges:
    """What has become of a set of tensors.

    Attributes:
        compared: how many are in both.
        changed: those of them that are not the same, in the order after.
        gone: the names of those that are only before, sorted.
        new: the names of those that are only after, sorted.
    """

    compared: int = 0
    changed: tuple[ChangedTensor, ...] = ()
    gone: tuple[str, ...] = ()
    new: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is not the same."""
        return bool(self.changed or self.gone or self.new)

    @property
    def moved(self) -> tuple[ChangedTensor, ...]:
        """Those with a measured change, the furthest first."""
        measured = [tensor for tensor in self.changed if tensor.change is not None]
        return tuple(sorted(measured, key=lambda t: -t.change.relative if t.change else 0.0))

    @property
    def together(self) -> Change:
        """The change of all that moved."""
        return sum((t.change for t in self.changed if t.change is not None), Change())


def tensor_changes(
    before: Mapping[str, Tensor],
    after: Mapping[str, Tensor],
    advance: Callable[[int], None] = lambda _: None,
    *,
    read_all: bool = False,
) -> TensorChanges:
    """Compare two sets of tensors by name.

    Args:
        before: the first set.
        after: the second.
        advance: is told the bytes of the second that are done with.
        read_all: whether also those are read whose CRCs are the same: what was changed after it
            was saved, without its CRC, is found no other way.
    """
    changed = []
    for name, tensor in after.items():
        if name in before:
            found = _compared(name, before[name], tensor, advance, read_all)
            changed += [found] if found is not None else []
    return TensorChanges(
        len(before.keys() & after.keys()),
        tuple(changed),
        tuple(sorted(before.keys() - after.keys())),
        tuple(sorted(after.keys() - before.keys())),
    )


def _compared(
    name: str, before: Tensor, after: Tensor, advance: Callable[[int], None], read_all: bool
) -> ChangedTensor | None:
    found = ChangedTensor(name, (before.dtype, after.dtype), (before.shape, after.shape))
    alike = found.dtypes[0] == found.dtypes[1] and not found.reshaped
    same_crc = before.known_crc is not None and before.known_crc == after.known_crc
    if found.reshaped or (alike and same_crc and not read_all):
        advance(after.nbytes)
        return found if found.reshaped else None
    if not alike and not NUMBERS.issuperset(found.dtypes):
        advance(after.nbytes)
        return found
    try:
        change = _measured(before, after, advance)
    except FormatError as error:
        return replace(found, fault=error.what, damaged=error.where)
    if alike and not change.changed:
        return None
    return replace(found, change=change)


def _measured(before: Tensor, after: Tensor, advance: Callable[[int], None]) -> Change:
    total = Change()
    for left, right in side_by_side(before, after):
        total += _change(left, right, before.dtype, after.dtype)
        advance(len(right))
    before.forget()
    after.forget()
    return total


def _change(left: memoryview, right: memoryview, before: str, after: str) -> Change:
    import numpy as np

    count = len(right) // ITEMSIZE[after]
    if before == after:
        rows = [np.frombuffer(side, np.uint8).reshape(count, -1) for side in (left, right)]
        different = (rows[0] != rows[1]).any(1)
        if before not in NUMBERS:
            return Change(count, int(different.sum()))
    old, new = numbers_in(left, before), numbers_in(right, after)
    if before != after:
        different = (old != new) & ~(np.isnan(old) & np.isnan(new))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(new - old)
        finite = np.isfinite(apart)
        strange = ~finite & ((old != new) & ~(np.isnan(old) & np.isnan(new)))
        return Change(
            count,
            int(different.sum()),
            int(strange.sum()),
            float(apart[finite].max(initial=0)),
            float(np.square(apart[finite]).sum()),
            float(np.square(old[np.isfinite(old)]).sum()),
        )

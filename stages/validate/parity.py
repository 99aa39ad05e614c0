"""Is every exported tensor the one that training left: the same bits, or their correct rounding?

The rounding is computed by another way than that of the export (`stages.common.casting`), so that
a mistake in one does not vouch for itself. Memory stays at a few blocks of a megabyte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.amounts import many
from pipeline.errors import FormatError
from stages.common.casting import FLOATS, TARGETS
from stages.common.checks import Outcome, failed, listed, passed, skipped
from stages.common.elements import numbers_in, side_by_side
from stages.common.states import State
from stages.common.stored import Tensor
from stages.common.tensors import ITEMSIZE

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

_PRECISION = {"float16": 11, "bfloat16": 8, "float32": 24}
"""Significant bits of a number, the hidden one included."""

_SMALLEST = {"float16": -14, "bfloat16": -126, "float32": -126}
"""The exponent of the smallest normal number: below it, the steps shrink no further."""

_LARGEST = {"float16": 65504.0, "bfloat16": 2.0**128 - 2.0**120, "float32": 2.0**128 - 2.0**104}
"""The largest finite number."""


@dataclass(frozen=True)
class Distance:
    """How far two tensors of one shape lie apart.

    Attributes:
        elements: how many were compared.
        wrong: how many are not what they should be.
        largest: the largest difference between two finite elements.
    """

    elements: int
    wrong: int
    largest: float

    def __add__(self, other: Distance) -> Distance:
        """Give the distance of both tensors together."""
        return Distance(
            self.elements + other.elements,
            self.wrong + other.wrong,
            max(self.largest, other.largest),
        )


NONE = Distance(0, 0, 0.0)


def parity(
    source: State,
    made: Mapping[str, Tensor],
    dtype: str,
    remedy: str,
    others: Callable[[], Iterator[State]],
    advance: Callable[[int], None],
) -> Outcome:
    """Compare the weights of a file with the state that it was made from.

    Args:
        source: the state.
        made: the exported tensors by name.
        dtype: that they were to be cast to; ``keep`` for none.
        remedy: what makes the file anew.
        others: the other states of the same checkpoint, to name the one that was taken instead.
        advance: is told the bytes read of the exported tensors.
    """
    if names := sorted(source.tensors.keys() ^ made.keys()):
        return failed(f"The checkpoint and the file do not both have {listed(names)}.", remedy)
    total, wrong = NONE, {}
    try:
        for name, tensor in source.tensors.items():
            if not _comparable(tensor, made[name], dtype):
                wrong[name] = tensor.numel
                continue
            found = distance(tensor, made[name], advance)
            total += found
            if found.wrong:
                wrong[name] = found.wrong
    except FormatError as error:
        return skipped(f"a tensor cannot be read: {error.what}")
    figures = {
        "state": source.name,
        "tensors": len(made),
        "elements": total.elements,
        "wrong_tensors": len(wrong),
        "wrong_elements": sum(wrong.values()),
        "largest_difference": total.largest,
    }
    if wrong:
        told = f"{many(len(wrong), 'tensor')} of {len(made)}: {listed(list(wrong))}"
        instead = _instead(made, others, dtype, wrong)
        what = f"Not the checkpoint's {source.name} state in {told}{instead}."
        return failed(what, remedy, figures)
    how = "bit for bit" if dtype == "keep" else f"correctly rounded to {dtype}"
    return passed(
        f"{len(made)} tensors, {total.elements:,} numbers, are those of the {source.name} state, "
        f"{how}; largest difference {total.largest:.3g}",
        figures,
    )


def _instead(
    made: Mapping[str, Tensor],
    others: Callable[[], Iterator[State]],
    dtype: str,
    wrong: Mapping[str, int],
) -> str:
    """Name the other state that the tensors are of, if they are of one."""
    for state in others():
        if all(
            name in state.tensors
            and _comparable(state.tensors[name], made[name], dtype)
            and not distance(state.tensors[name], made[name]).wrong
            for name in wrong
        ):
            return f"; they are of its {state.name} state"
    return ""


def _comparable(source: Tensor, made: Tensor, dtype: str) -> bool:
    """Tell whether the second has the shape of the first, and the dtype that was asked for."""
    cast = dtype in TARGETS and source.dtype in FLOATS
    return made.dtype == (dtype if cast else source.dtype) and made.shape == source.shape


def distance(
    source: Tensor, made: Tensor, advance: Callable[[int], None] = lambda _: None
) -> Distance:
    """Compare two tensors of one shape; of another dtype, the second must be the first, rounded.

    Raises:
        FormatError: when one of them is damaged.
    """
    total = NONE
    for left, right in side_by_side(source, made):
        total += _compared(left, right, source.dtype, made.dtype)
        advance(len(right))
    source.forget()
    made.forget()
    return total


def _compared(left: memoryview, right: memoryview, source: str, made: str) -> Distance:
    import numpy as np

    count = len(right) // ITEMSIZE[made]
    if source == made and np.array_equal(np.frombuffer(left, "u1"), np.frombuffer(right, "u1")):
        return Distance(count, 0, 0.0)
    if source == made:
        rows = [np.frombuffer(side, "u1").reshape(count, -1) for side in (left, right)]
        different = (rows[0] != rows[1]).any(1)
        if source not in FLOATS:
            return Distance(count, int(different.sum()), 0.0)
    given, found = numbers_in(left, source), numbers_in(right, made)
    if source != made:
        wanted = rounded(given, made)
        same = (found == wanted) & (np.signbit(found) == np.signbit(given))
        different = ~(same | (np.isnan(found) & np.isnan(wanted)))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(found - given)
    finite = apart[np.isfinite(apart)]
    return Distance(count, int(different.sum()), float(finite.max()) if finite.size else 0.0)


def rounded(numbers: Array, dtype: str) -> Array:
    """Round to what a dtype can hold: to the nearest, ties to even; float64 by way of float32.

    Adding a large power of two drops the bits behind the wanted ones, which the processor rounds as
    IEEE 754 says; subtracting it again leaves the number.

    Args:
        numbers: float64.
        dtype: ``float16``, ``bfloat16`` or ``float32``.

    Returns:
        float64.
    """
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        single = numbers.astype(np.float32).astype(np.float64)
        _, exponents = np.frexp(single)
        steps = np.maximum(exponents - 1, _SMALLEST[dtype]) - (_PRECISION[dtype] - 1)
        large = np.ldexp(1.5, steps + 52)
        made = (single + large) - large
        infinite = np.abs(made) > _LARGEST[dtype]
        return np.where(infinite, np.copysign(np.inf, single), made)

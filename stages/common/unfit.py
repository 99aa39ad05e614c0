"""What turned up in the weights on the way to a file that no release should hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import FormatError

_WIDER = {"float16": "bfloat16", "bfloat16": "float32", "float32": "keep"}
_ACCEPT = "export.allow_nonfinite=true accepts it"
_SHOWN = 3


@dataclass
class Unfit:
    """NaN, Inf and overflows, by the name of the tensor.

    Attributes:
        path: the file that the tensors are read from.
        infinite: tensors that hold NaN or Inf.
        overflowed: how many values of a tensor became Inf by a cast.
        target: the dtype they were cast to.
    """

    path: Path | None = None
    infinite: list[str] = field(default_factory=list)
    overflowed: dict[str, int] = field(default_factory=dict)
    target: str = ""

    def add(self, name: str, path: Path, finite: bool, overflowed: int, target: str) -> None:
        """Take down what one tensor came to; most come to nothing."""
        if not finite:
            self.infinite.append(name)
        if overflowed:
            self.overflowed[name] = overflowed
        if not finite or overflowed:
            self.path, self.target = path, target

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, sorted."""
        return tuple(sorted({*self.infinite, *self.overflowed}))

    def demand_none(self) -> None:
        """Make sure that nothing turned up.

        Raises:
            FormatError: naming the tensors.
        """
        if self.infinite:
            number = "1 tensor" if len(self.infinite) == 1 else f"{len(self.infinite)} tensors"
            raise FormatError(
                f"NaN or Inf in {number}: {_listed(self.infinite)}.",
                str(self.path),
                f"Take another state or epoch of the run; {_ACCEPT}.",
            )
        if self.overflowed:
            raise FormatError(
                f"The values of {_listed(list(self.overflowed))} do not fit into {self.target}: "
                f"{sum(self.overflowed.values())} of them overflow.",
                str(self.path),
                f"Choose one with a wider range: export.dtype={_WIDER[self.target]}; {_ACCEPT}.",
            )


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")

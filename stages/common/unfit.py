"""What turned up in the weights on the way to a file that no release should hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.amounts import many
from pipeline.errors import FormatError
from stages.common.checks import listed

_WIDER = {"float16": "bfloat16", "bfloat16": "float32", "float32": "keep"}
_ACCEPT = "export.allow_nonfinite=true accepts it"


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
            raise FormatError(
                f"NaN or Inf in {many(len(self.infinite), 'tensor')}: {listed(self.infinite)}.",
                str(self.path),
                f"Take another state or epoch of the run; {_ACCEPT}.",
            )
        if self.overflowed:
            raise FormatError(
                f"The values of {listed(list(self.overflowed))} do not fit into {self.target}: "
                f"{sum(self.overflowed.values())} of them overflow.",
                str(self.path),
                f"Choose one with a wider range: export.dtype={_WIDER[self.target]}; {_ACCEPT}.",
            )


@dataclass(frozen=True)
class Accepted:
    """What ``export.allow_nonfinite=true`` let into a file, by the names of the tensors.

    Attributes:
        infinite: those that hold NaN or Inf in the checkpoint already.
        overflowed: those whose values became Inf by the cast.
        target: the dtype they were cast to.
    """

    infinite: tuple[str, ...] = ()
    overflowed: tuple[str, ...] = ()
    target: str = ""

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Accepted:
        """Take it from what an export's record says, or release.json of it."""
        names, made = _names(facts.get("nonfinite")), _names(facts.get("overflowed"))
        before = tuple(name for name in names if name not in made)
        return cls(before, made, str(facts.get("dtype") or ""))

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.infinite, *self.overflowed)

    @property
    def what(self) -> str:
        """What to say of it; empty where there is nothing."""
        parts = []
        if self.infinite:
            parts.append(f"NaN or Inf in {_told(self.infinite)}")
        if self.overflowed:
            parts.append(f"Inf by the cast to {self.target} in {_told(self.overflowed)}")
        return f"{'; '.join(parts)}; export.allow_nonfinite=true accepted it." if parts else ""

    @property
    def remedy(self) -> str:
        """What would have kept it out."""
        parts = [ANOTHER_STATE] if self.infinite else []
        if self.overflowed and (wider := _WIDER.get(self.target)):
            parts.append(f"take a dtype with a wider range: export.dtype={wider}")
        return "; ".join(parts)


ANOTHER_STATE = "take another state or epoch: checkpoint.state=ema, checkpoint.epoch=N"
"""What cures NaN and Inf that training left."""


def _names(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()


def _told(names: Sequence[str]) -> str:
    return f"{many(len(names), 'tensor')}: {listed(names)}"

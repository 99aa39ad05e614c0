"""What transformers cannot express, all of it at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pipeline.errors import FormatError
from pipeline.stage import Problem
from stages.common.settings import Unusable

HINT = "Release it for AudioCraft alone: formats=[audiocraft]"


class InexpressibleError(FormatError):
    """A model that transformers has no class for.

    Attributes:
        reasons: a line for each setting, or kind of tensor.
    """

    def __init__(self, reasons: Sequence[str]) -> None:
        """Take the reasons."""
        self.reasons = tuple(reasons)
        super().__init__(f"transformers cannot express it: {'; '.join(self.reasons)}.", hint=HINT)

    @property
    def problems(self) -> list[Problem]:
        """One for each reason."""
        hint = [HINT] + [""] * (len(self.reasons) - 1)
        told = (f"transformers cannot express it: {reason}." for reason in self.reasons)
        return [Problem(what, hint=line) for what, line in zip(told, reversed(hint), strict=True)]


@contextmanager
def able(model: str) -> Iterator[None]:
    """Say of a config that nothing can be built from that transformers cannot either."""
    try:
        yield
    except Unusable as error:
        raise InexpressibleError([f"{model}: {error}"]) from error

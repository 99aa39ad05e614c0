"""The inert things that stand for what a pickle names, and the refusal of all others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class Refused(Exception):  # noqa: N818 - the reader turns it into a FormatError with the place
    """Something in a pickle that a checkpoint does not hold."""


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """A class or function that the pickle names; it does nothing. There is one for each name."""

    module: str
    name: str

    def __str__(self) -> str:
        """Give the dotted name."""
        return f"{self.module}.{self.name}"


@dataclass(eq=False, slots=True)
class Instance:
    """An object of a named class: the arguments and the state that the pickle gives it."""

    of: Named
    args: tuple[Any, ...] = ()
    state: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Storage:
    """A flat run of elements in a record; ``dtype`` is None for an untyped one, in bytes."""

    record: str
    dtype: str | None
    numel: int


MAX_KEY = 8
"""Items of a tuple that is a key; its hash is made anew each time."""


def shown(value: Any) -> str:
    """Give a short, printable name for a value of the file's choosing, for a message."""
    text = str(value) if isinstance(value, str | Named) else type(value).__name__
    text = text[:80]
    return text if text.isprintable() else ascii(text)[:80]


_SCALARS = (str, int, float, bool, bytes, type(None))


def plain_key(value: Any) -> Any:
    """Give a key back; hashing a deeply nested tuple would overrun the interpreter's own stack."""
    if type(value) in _SCALARS:
        return value
    flat = type(value) is tuple and all(type(item) in _SCALARS for item in value[:MAX_KEY])
    if not flat or len(value) > MAX_KEY:
        raise Refused("a key that is no plain value")
    return value

"""What has become of a config or a manifest: which keys changed, which went and which came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ValueChanges:
    """Two sets of values by dotted key, compared.

    Attributes:
        compared: how many keys are in both.
        changed: the value before and after, of those that are not the same.
        gone: what is only before.
        new: what is only after.
    """

    compared: int = 0
    changed: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    gone: Mapping[str, Any] = field(default_factory=dict)
    new: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether anything is not the same."""
        return bool(self.changed or self.gone or self.new)

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys that are not the same, sorted."""
        return tuple(sorted({*self.changed, *self.gone, *self.new}))


def value_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> ValueChanges:
    """Compare two sets of values; a number and its text, or 1 and 1.0, are not the same."""
    both = sorted(before.keys() & after.keys())
    return ValueChanges(
        len(both),
        {k: (before[k], after[k]) for k in both if repr(before[k]) != repr(after[k])},
        {key: before[key] for key in sorted(before.keys() - after.keys())},
        {key: after[key] for key in sorted(after.keys() - before.keys())},
    )


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Give the values of a nested dict by dotted key; lists, and empty dicts, are values."""
    if not isinstance(node, Mapping) or not node:
        return {prefix.removesuffix("."): node}
    return {k: v for name, held in node.items() for k, v in flat(held, f"{prefix}{name}.").items()}

"""What a config's interpolations come to once they are resolved, found out before OmegaConf does.

OmegaConf resolves a reference again wherever it stands, so that a few lines which name each other
twice stand for gigabytes. Here each is resolved once, by OmegaConf's own grammar, and what it comes
to is added up.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from omegaconf import AnyNode, Node
from omegaconf._utils import is_int, split_key
from omegaconf.errors import OmegaConfBaseException
from omegaconf.grammar_parser import parse
from omegaconf.grammar_visitor import GrammarVisitor

from pipeline.errors import FormatError
from stages.common.inert import shown

MAX_RESOLVED = 1 << 16
"""Characters that all references give, counted each time; those of a real config give about 50."""

MAX_CHAIN = 30
"""References and collections that lie in one another; a real config has about five."""

_Path = tuple[Any, ...]


def demand_bounded(tree: dict[Any, Any]) -> None:
    """Make sure that a config stays small when it is resolved.

    Args:
        tree: plain containers, whose texts call no resolver.

    Raises:
        FormatError: when it does not.
    """
    Expansion(tree).of((), tree)


@dataclass(frozen=True)
class Resolved:
    """What stands at a path, or at the one that it refers to.

    Attributes:
        cost: the characters that are read and made to resolve it, and all that is in it.
        value: what it is; a collection is unresolved.
        path: where that stands; ``None`` for a text that was made.
    """

    cost: int = 0
    value: Any = None
    path: _Path | None = None


class Expansion:
    """Resolves every text of a tree once."""

    def __init__(self, tree: dict[Any, Any]) -> None:
        """Begin with the whole of a config; its texts call no resolver."""
        self.tree, self.left = tree, MAX_RESOLVED
        self.known: dict[_Path, Resolved] = {}
        self.open: set[_Path] = set()

    def of(self, path: _Path, value: Any) -> Resolved:
        """Resolve what stands at a path.

        Raises:
            FormatError: when the references so far give more than any run's.
        """
        if path in self.known:
            return self.known[path]
        if path in self.open:
            return Resolved()  # a circle, which OmegaConf sees when it gets there
        if len(self.open) >= MAX_CHAIN:
            raise FormatError(f"Its xp.cfg is nested as no run writes it: {shown(path[0])}.")
        self.open.add(path)
        if isinstance(value, dict | list):
            found = Resolved(self._contents(path, value), value, path)
        elif isinstance(value, str) and "${" in value:
            found = self._text(path, value)
        else:
            found = Resolved(1 + len(str(value)), value, path)
        self.open.remove(path)
        self.known[path] = found
        return found

    def _contents(self, path: _Path, value: dict[Any, Any] | list[Any]) -> int:
        if isinstance(value, list):
            return 1 + sum(self.of((*path, at), item).cost for at, item in enumerate(value))
        return 1 + sum(
            len(str(key)) + self.of((*path, key), item).cost for key, item in value.items()
        )

    def _text(self, path: _Path, text: str) -> Resolved:
        cost, last = len(text), Resolved()

        def refer(key: str, _: Any) -> Node:
            nonlocal cost, last
            last = self._find(key, path)
            cost += last.cost
            self.left -= last.cost
            if self.left < 0:
                raise FormatError(
                    f"Its xp.cfg is larger than that of any run: {shown(path[0])} refers to what "
                    "refers to more."
                )
            return AnyNode(str(last.value) if isinstance(last.value, dict | list) else last.value)

        # No call is left; and what one gives is not known here.
        visitor = GrammarVisitor(refer, lambda **_: AnyNode(), memo=set())
        try:
            made = visitor.visit(parse(text))
        except OmegaConfBaseException:  # It gives nothing, and is only wrong if someone reads it.
            return Resolved(cost)
        if isinstance(made, Node):  # nothing but a reference
            return Resolved(cost, last.value, last.path)
        return Resolved(max(cost, len(made)), made)

    def _find(self, key: str, path: _Path) -> Resolved:
        """Follow a key from the text that refers to it; dots in front make it relative."""
        dots = sum(1 for _ in takewhile(".".__eq__, key))
        at: _Path = path[:-dots] if dots else ()
        value: Any = self.tree
        for part in at:
            value = value[part]
        for part in split_key(key[dots:]):
            if isinstance(value, str):  # itself a reference
                found = self.of(at, value)
                if found.path is None:
                    return Resolved()
                at, value = found.path, found.value
            inner = _child(value, part)
            if inner is None:
                return Resolved()
            at, value = (*at, inner), value[inner]
        return self.of(at, value)


def _child(value: Any, part: str) -> Any:
    """Give the key that OmegaConf takes a part of a dotted one for; ``None`` for no key."""
    if isinstance(value, dict):
        return part if part in value else None
    if isinstance(value, list) and is_int(part) and 0 <= int(part) < len(value):
        return int(part)
    return None

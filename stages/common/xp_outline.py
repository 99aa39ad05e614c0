"""A run's config in outline: single values by dotted path, read in two milliseconds.

OmegaConf takes fifty times as long, too long for a look at a thousand runs. What it does is done
here as far as single values need it: a reference to another key is followed, and whatever is more
involved stays the text that it is.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from pipeline.errors import FormatError
from stages.common.inert import shown
from stages.common.xp_yaml import events_in

MAX_HOPS = 10
"""References to references; a real config has two."""

_REFERENCE = re.compile(r"\$\{\s*([A-Za-z_][\w-]*(?:\.[\w-]+)*)\s*\}")
_NUMBER = re.compile(
    r"[-+]?(\d{1,18}|\d{0,18}\.\d{1,18}|\d{1,18}\.)(e[-+]?\d{1,2})?", re.IGNORECASE
)
_NULLS = frozenset({"", "~", "null", "???"})
_TRUE = frozenset({"true", "yes", "on"})


class Outline:
    """A config's values, each made of its text when it is asked for."""

    def __init__(self, tree: dict[str, Any]) -> None:
        """Take containers whose leaves are events of YAML."""
        self._tree = tree

    @classmethod
    def of(cls, text: str) -> Outline:
        """Read a config.

        Raises:
            FormatError: when it is no YAML of a dict, or larger than any run's.
        """
        try:
            tree = _tree(text)
        except (yaml.YAMLError, ValueError) as error:
            reason = shown(str(error).partition("\n")[0])
            raise FormatError(f"Its xp.cfg cannot be read: {reason}") from error
        if not isinstance(tree, dict):
            raise FormatError("Its xp.cfg is not a config with keys.")
        return cls(tree)

    def text(self, path: str) -> str | None:
        """Give what stands at a dotted path; ``None`` for null, for a node and for nothing."""
        leaf = self._find(path)
        if not isinstance(leaf, yaml.ScalarEvent):
            return None
        return None if leaf.implicit[0] and leaf.value.lower() in _NULLS else str(leaf.value)

    def number(self, path: str) -> int | float | None:
        """Give the number at a path; ``None`` for anything else, and for what is out of reason."""
        return _number(self._find(path))

    def flag(self, path: str) -> bool:
        """Tell whether a path says true."""
        leaf = self._find(path)
        plain = isinstance(leaf, yaml.ScalarEvent) and leaf.implicit[0]
        return plain and leaf.value.lower() in _TRUE

    def names(self, path: str) -> tuple[str, ...]:
        """Give the keys of a node."""
        node = self._find(path)
        return tuple(node) if isinstance(node, dict) else ()

    def numbers(self, path: str) -> tuple[int | float | None, ...]:
        """Give the numbers of a list."""
        node = self._find(path)
        return tuple(map(_number, node)) if isinstance(node, list) else ()

    def holds(self, path: str) -> bool:
        """Tell whether a path leads to a list or a node with something in it."""
        node = self._find(path)
        return isinstance(node, dict | list) and bool(node)

    def _find(self, path: str) -> Any:
        """Give a leaf or a container, having followed references."""
        for _ in range(MAX_HOPS):
            node: Any = self._tree
            parts = path.split(".")
            for at, part in enumerate(parts, 1):
                node = node.get(part) if isinstance(node, dict) else None
                leaf = isinstance(node, yaml.ScalarEvent)
                if leaf and (reference := _REFERENCE.fullmatch(node.value)):
                    path = ".".join([reference[1], *parts[at:]])
                    break
            else:
                return node
        return None


def _number(leaf: Any) -> int | float | None:
    plain = isinstance(leaf, yaml.ScalarEvent) and leaf.implicit[0]
    if not plain or not _NUMBER.fullmatch(leaf.value):
        return None
    return int(leaf.value) if leaf.value.lstrip("-+").isdecimal() else float(leaf.value)


def _tree(text: str) -> Any:
    """Put events of YAML into each other; the leaves stay events."""
    top: list[Any] = []
    inside: Any = top
    waiting: list[tuple[Any, str | None]] = []  # the containers around, each with its open key
    key: str | None = None
    for event in events_in(text):
        node: Any = event
        if isinstance(event, yaml.MappingStartEvent):
            node = {}
        elif isinstance(event, yaml.SequenceStartEvent):
            node = []
        elif isinstance(event, yaml.CollectionEndEvent):
            inside, key = waiting.pop()
            continue
        elif not isinstance(event, yaml.ScalarEvent):
            continue
        if isinstance(inside, list):
            inside.append(node)
        elif key is not None:
            inside[key], key = node, None
        elif isinstance(node, yaml.ScalarEvent):
            key = str(node.value)
        else:
            raise FormatError("Its xp.cfg has a collection for a key.")
        if node is not event:
            waiting.append((inside, key))
            inside, key = node, None
    return top[0] if len(top) == 1 else None

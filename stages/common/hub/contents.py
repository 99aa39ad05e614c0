"""What a commit holds, and what one is meant to hold, known by digests without a download.

The Hub keeps a large file by its sha256 and a text as a git blob; which of the two, it decides. A
git blob's id is the sha1 of ``blob``, a space, the size, a zero byte, and the content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

ATTRIBUTES = ".gitattributes"
"""The Hub's own file: it says what is large. Never deleted."""


@dataclass(frozen=True)
class HeldFile:
    """A file in a repository.

    Attributes:
        path: in the repository.
        size: in bytes.
        blob: the git id of what git holds, the content or the pointer to it.
        sha256: of the content, where it is kept as a large file.
    """

    path: str
    size: int
    blob: str
    sha256: str | None = None

    def is_held(self, other: HeldFile) -> bool:
        """Tell whether another commit holds the same content."""
        return self.blob == other.blob


Tree = Mapping[str, HeldFile]
"""The files of a commit, by path."""


class Content(Protocol):
    """A file's content, wherever it is."""

    def is_held(self, other: HeldFile) -> bool:
        """Tell whether a repository's file has this content."""


@dataclass(frozen=True)
class Change:
    """What shall be so after a commit, and what follows from it for a tree.

    Attributes:
        wanted: the files that shall be there, by path.
        gone: paths of files that shall not.
    """

    wanted: Mapping[str, Content]
    gone: frozenset[str] = frozenset()

    def added(self, tree: Tree) -> tuple[str, ...]:
        """Give the paths of files that are not there yet, sorted."""
        return tuple(sorted(path for path in self.wanted if path not in tree))

    def altered(self, tree: Tree) -> tuple[str, ...]:
        """Give the paths of files that are there with another content, sorted."""
        there = ((path, file) for path, file in self.wanted.items() if path in tree)
        return tuple(sorted(path for path, file in there if not file.is_held(tree[path])))

    def deleted(self, tree: Tree) -> tuple[str, ...]:
        """Give the paths of files that are still there, sorted."""
        return tuple(sorted(self.gone & set(tree)))

    def same(self, tree: Tree) -> tuple[str, ...]:
        """Give the paths of files that are as they shall be, sorted."""
        there = ((path, file) for path, file in self.wanted.items() if path in tree)
        return tuple(sorted(path for path, file in there if file.is_held(tree[path])))

    def missing(self, tree: Tree) -> tuple[str, ...]:
        """Give every path that is not as it shall be, sorted."""
        return tuple(sorted((*self.added(tree), *self.altered(tree), *self.deleted(tree))))

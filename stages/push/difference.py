"""What a push will change, told before it does, in the same words for every target."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from pipeline.layout import SHA256SUMS
from stages.common.claims import SIGNATURES
from stages.common.hub.contents import ATTRIBUTES, Change, Tree
from stages.push.listing import SentFile, text_size


@dataclass(frozen=True)
class Difference:
    """The release against what a repository holds.

    Attributes:
        files: of the release, by path.
        tree: of the repository.
        delete_stale: whether what is not of the release shall go.
    """

    files: Mapping[str, SentFile]
    tree: Tree
    delete_stale: bool = False

    @cached_property
    def strangers(self) -> frozenset[str]:
        """The paths in the repository that are not of the release, nor signatures of one."""
        return frozenset(set(self.tree) - set(self.files) - {ATTRIBUTES, *SIGNATURES})

    @cached_property
    def change(self) -> Change:
        """What shall be so afterwards."""
        stale = self.strangers if self.delete_stale else frozenset()
        return Change(self.files, stale | self._outdated)

    @property
    def _outdated(self) -> frozenset[str]:
        """The signatures of another release, which would fail whoever checks them."""
        held = self.tree.get(SHA256SUMS)
        if held is None or self.files[SHA256SUMS].is_held(held):
            return frozenset()
        return frozenset(set(SIGNATURES) & set(self.tree) - set(self.files))

    @cached_property
    def sent(self) -> tuple[SentFile, ...]:
        """The files that the repository does not have, or has otherwise."""
        names = {*self.change.added(self.tree), *self.change.altered(self.tree)}
        return tuple(file for name, file in self.files.items() if name in names)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.change.missing(self.tree)

    def lines(self) -> Iterator[str]:
        """Say it for people."""
        size = text_size(sum(file.size for file in self.sent))
        yield f"{len(self.sent)} of {len(self.files)} files are new or changed, {size}"
        rows = [("+", name) for name in self.change.added(self.tree)]
        rows += [("~", name) for name in self.change.altered(self.tree)]
        width = max((len(name) for _, name in rows), default=0)
        for mark, name in rows:
            yield f"  {mark} {name:<{width}}  {text_size(self.files[name].size):>9}"
        for name in self.change.deleted(self.tree):
            yield f"  - {name}"
        if same := self.change.same(self.tree):
            yield f"  = {', '.join(same)}"
        if self.strangers and not self.delete_stale:
            names = ", ".join(sorted(self.strangers))
            yield f"  not of this release, left alone (push.delete_stale=true deletes): {names}"


def changes(before: Tree, after: Tree, files: Collection[str]) -> dict[str, list[str]]:
    """Say for programs what a commit did to the files of a release, and which others it deleted."""
    there = [name for name in sorted(files) if name in before]
    same = [name for name in there if before[name].is_held(after[name])]
    return {
        "added": sorted(set(files) - set(there)),
        "changed": [name for name in there if name not in same],
        "deleted": sorted(set(before) - set(after)),
        "same": same,
    }

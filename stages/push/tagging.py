"""The tag of a release: put last, on a verified commit, and never moved unasked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.errors import PushError
from stages.common.hub.repository import Refs, Repository


@dataclass(frozen=True)
class Tag:
    """A tag to be put.

    Attributes:
        repository: where.
        name: of the tag.
        move: whether it may be taken from another commit.
        fits: tells whether a commit holds this release.
    """

    repository: Repository
    name: str
    move: bool
    fits: Callable[[str], bool]

    def demand_free(self, refs: Refs) -> None:
        """Make sure, before anything is sent, that the tag can be put.

        Raises:
            PushError: when it names another release.
        """
        held = refs.tags.get(self.name)
        if held is not None and not self.move and not self.fits(held):
            raise self._taken(held, " Nothing was published.")

    def put(self, commit: str, message: str) -> str | None:
        """Let the tag name a commit; give the commit that it was taken from, if any.

        The Hub has no request that moves a tag: for a moment it is not there.

        Raises:
            PushError: when the Hub refuses, or somebody gave it to another release meanwhile.
        """
        name, repository = self.name, self.repository
        held = repository.refs().tags.get(name)
        if held == commit:
            return None
        if held is not None and not self.move:
            if not self.fits(held):
                raise self._taken(held)
            repository.say(f"the tag {name} names {held[:12]} already, the same release")
            return None
        if held is not None:
            repository.say(f"the tag {name} is taken from {held}")
            repository.remove_tag(name)
        repository.add_tag(name, commit, message)
        repository.say(f"tag {name} -> {commit[:12]}")
        return held

    def _taken(self, held: str, remark: str = "") -> PushError:
        return PushError(
            f"The tag {self.name} names another release already.{remark}",
            self.repository.commit_url(held),
            "Raise the version (version=...), name another (push.tag=...), "
            "or move it: push.move_tag=true",
        )

"""The card that goes out: ours, unless somebody edited the one on the Hub, which is then kept."""

from __future__ import annotations

from typing import Any

from pipeline.errors import FormatError, PushError
from stages.common import card_sections
from stages.common.front_matter import Card
from stages.common.hub.contents import Tree
from stages.common.hub.repository import Repository

NAME = "README.md"
SIGNED = "Published with audiocraft-release-pipeline."
"""Stands in the description of every commit that pushes, so that the next push knows it again."""
KEPT = "The card that somebody edited is kept."
"""Stands there too when the card that went out was not all ours."""


def edited(repository: Repository, head: str, tree: Tree) -> bool:
    """Tell whether the card at a commit has anything that did not come from our pushes.

    Args:
        repository: where it is.
        head: the commit.
        tree: its files.
    """
    if NAME not in tree:
        return False
    ours = next((c for c in repository.history(head) if SIGNED in c.message), None)
    if ours is None:
        return True  # it was never ours
    if KEPT in ours.message:
        return True
    before = tree if ours.oid == head else repository.tree(ours.oid)
    return NAME not in before or not before[NAME].is_held(tree[NAME])


def merged(theirs: bytes, ours: bytes, where: str) -> bytes:
    """Give somebody's card with our metadata and our marked parts, and nothing else of ours.

    Args:
        theirs: the card on the Hub.
        ours: the card of the release.
        where: the address of theirs, for the message.

    Raises:
        PushError: when theirs cannot be read.
    """
    try:
        kept = Card.parse(theirs)
    except FormatError as error:
        raise PushError(
            f"The card on the Hub cannot be read: {error.what}",
            where,
            "Mend it there, or delete it to have ours put in its place.",
        ) from error
    fresh = Card.parse(ours)
    return kept.rewritten(
        _metadata(dict(kept.metadata), dict(fresh.metadata)),
        card_sections.renewed(kept.body, fresh.body),
    )


def _metadata(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Give theirs with our values; tags that they added stay."""
    tags = theirs.get("tags")
    if isinstance(tags, list) and isinstance(ours.get("tags"), list):
        ours["tags"] = list(dict.fromkeys([*tags, *ours["tags"]]))
    return {**theirs, **ours}

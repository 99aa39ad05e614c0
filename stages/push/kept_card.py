"""The card that goes out: ours, unless somebody edited the one on the Hub, which is then kept."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.errors import FormatError, PushError
from pipeline.layout import CARD
from stages.common import card_sections
from stages.common.front_matter import Card
from stages.common.hub.contents import Tree
from stages.common.hub.repository import Repository
from stages.push.listing import SentFile

SIGNED = "Published with audiocraft-release-pipeline."
"""Stands in the description of every commit that pushes, so that the next push knows it again."""
KEPT = "The card that somebody edited is kept."
"""Stands there too when the card that went out was not all ours."""

_LOOKED_AT = 10
"""Our commits, the newest, whose cards are compared; each costs a request."""


def outgoing(repository: Repository, head: str, tree: Tree, ours: SentFile, copy: Path) -> SentFile:
    """Give the card as it shall be on the Hub, and say so when it is not ours.

    Args:
        repository: where it goes.
        head: the commit it goes on top of.
        tree: that commit's files.
        ours: the card of the release.
        copy: where a card that is kept is put, renewed.

    Raises:
        PushError: when the card there cannot be read.
    """
    if CARD not in tree or ours.is_held(tree[CARD]) or not _edited(repository, head, tree):
        return ours
    theirs = repository.read(CARD, head)
    text = _merged(theirs, ours.path.read_bytes(), f"{repository.url}/blob/{head}/{CARD}")
    copy.write_bytes(text)
    digest = files.file_digest(copy)
    parts = " and our marked parts" if card_sections.has_parts(theirs) else ""
    repository.say(f"the card was edited there and is kept; this renews only our metadata{parts}")
    return SentFile(ours.name, copy, digest.size, digest.sha256)


def _edited(repository: Repository, head: str, tree: Tree) -> bool:
    """Tell whether the card at a commit is none that came from our pushes, as it came from them.

    After a rollback the newest of them is not the one whose card is there.
    """
    history = repository.history(head)
    ours = (c.oid for c in history if SIGNED in c.message and KEPT not in c.message)
    trees = map(repository.tree, islice(ours, _LOOKED_AT))
    return not any(CARD in known and known[CARD].is_held(tree[CARD]) for known in trees)


def _merged(theirs: bytes, ours: bytes, where: str) -> bytes:
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
            f"The card on the Hub cannot be read: {error.what} Nothing was published.",
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

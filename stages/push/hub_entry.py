"""What the receipt says of a push to the Hub: what was verified there, and how to undo it."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.common.hub.contents import Tree
from stages.common.hub.repository import Repository
from stages.push.difference import changes
from stages.push.listing import SentFile


@dataclass(frozen=True)
class Landed:
    """A commit that holds the release.

    Attributes:
        commit: its id.
        parent: the one before it; itself, where nobody knows which commit of ours it was.
        number: of the pull request, where it is only proposed.
        fresh: whether this push made it.
    """

    commit: str
    parent: str
    number: int | None = None
    fresh: bool = False


def entry(
    repository: Repository,
    landed: Landed,
    release: Mapping[str, SentFile],
    receipt: Path,
    *,
    branch: str,
    tag: str | None,
    tag_was: str | None,
) -> dict[str, Any]:
    """Give the entry of the receipt.

    Args:
        repository: where the release is now.
        landed: the commit.
        release: its files as they were sent.
        receipt: where the receipt will be.
        branch: that was moved, or proposed to.
        tag: that names the commit, where one does.
        tag_was: the commit that a moved tag was taken from.
    """
    tree, before = repository.tree(landed.commit), repository.tree(landed.parent)
    page = repository.proposal_url(landed.number) if landed.number else None
    return {
        "target": "hub",
        "endpoint": repository.endpoint,
        "repo_id": repository.repo_id,
        "url": page or f"{repository.url}/tree/{tag or branch}",
        "branch": branch,
        "tag": tag,
        "tag_was": tag_was,
        "pull_request": landed.number,
        "parent": landed.parent,
        "commit": landed.commit,
        "changed": landed.fresh,
        "changes": changes(before, tree, release),
        "files": {
            name: _listed(repository, landed.commit, file, tree)
            for name, file in sorted(release.items())
        },
        "rollback": f"python -m pipeline.rollback {shlex.quote(str(receipt))}",
    }


def _listed(repository: Repository, commit: str, file: SentFile, tree: Tree) -> dict[str, Any]:
    """Give a file as it was verified: by its sha256, or by the id that git has for it."""
    held, size, sha256 = tree[file.name], file.size, file.sha256
    if not file.is_held(held):  # the card at that commit, before somebody edited it
        content = repository.read(file.name, commit)
        size, sha256 = len(content), hashlib.sha256(content).hexdigest()
    digest = {"size": size, "sha256": sha256}
    return digest if held.sha256 else {**digest, "git_blob": held.blob}

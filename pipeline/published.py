"""Where a release was published, as the receipt of its pushes tells.

A receipt is ``receipt.json``: per target what was published, file by file with its sha256.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline import lenient
from pipeline.layout import SHA256SUMS


@dataclass(frozen=True)
class Published:
    """A place where a release was published, of a receipt's ``targets``.

    Attributes:
        target: ``hub`` or ``cache``.
        repo_id: ``org/name``.
        tag: that names the commit; empty for none.
        pull_request: its number, where it was proposed only.
    """

    target: str
    repo_id: str
    tag: str = ""
    pull_request: int | None = None

    def __str__(self) -> str:
        """Give it in a few words: ``hub me/musicgen-small v1.0.0``."""
        proposed = f"(pull request {self.pull_request})" if self.pull_request else ""
        return " ".join(filter(None, (self.target, self.repo_id, self.tag, proposed)))


def published_in(receipt: Mapping[str, Any], digest: str) -> tuple[Published, ...]:
    """Give the places that hold a very release; what was only shown (``dry_run``) is left out.

    Args:
        receipt: the content of a receipt; anything else in it is passed over.
        digest: sha256 in hex of the release's SHA256SUMS, which stands for all its files.
    """
    return tuple(
        Published(
            lenient.text(entry.get("target")),
            lenient.text(entry.get("repo_id")),
            lenient.text(entry.get("tag")),
            lenient.whole(entry.get("pull_request")),
        )
        for entry in lenient.mappings(receipt.get("targets"))
        if entry.get("commit") and _sums(entry) == digest
    )


def _sums(entry: Mapping[str, Any]) -> Any:
    return lenient.mapping(lenient.mapping(entry.get("files")).get(SHA256SUMS)).get("sha256")

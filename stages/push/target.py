"""What a place to publish to must offer, and what it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.manifest import FileDigest
from pipeline.stage import Context, Facts, Problem
from stages.push.listing import SentFile


@dataclass(frozen=True)
class Publication:
    """What is to be published, the same for every target.

    Attributes:
        repo_id: ``org/name``.
        files: what the repository will hold, and nothing else.
        branch: the branch that moves to it, or ``None`` in a sweep, where no variant is the one.
        tag: the tag that will name it, or ``None``.
        variant: the revision that names this variant alone.
    """

    repo_id: str
    files: tuple[SentFile, ...]
    branch: str | None
    tag: str | None
    variant: str

    @property
    def refs(self) -> tuple[str, ...]:
        """Every revision that will name it."""
        return tuple(dict.fromkeys(r for r in (self.branch, self.tag, self.variant) if r))

    @property
    def digests(self) -> Mapping[str, FileDigest]:
        """Size and sha256 by file name."""
        return {file.name: FileDigest(file.size, file.sha256) for file in self.files}


class Target(Protocol):
    """A place to publish to."""

    name: str

    def check(self, ctx: Context) -> list[Problem]:
        """Find what would keep it from taking the release."""

    def notes(self, ctx: Context) -> tuple[str, ...]:
        """Tell what a person should know before it is done."""

    def publish(self, publication: Publication, ctx: Context) -> dict[str, Any]:
        """Publish, and give the entry of the receipt; the same twice changes nothing."""


def receipt_files(publication: Publication) -> Facts:
    """Give the files as a receipt lists them."""
    return {name: vars(digest) for name, digest in publication.digests.items()}

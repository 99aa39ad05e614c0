"""A receipt: what a push published where, as it was verified there at the time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import FormatError
from stages.common.claims import Claim, claims_in
from stages.common.hub import is_commit, is_repo_id

FORMAT = 1
"""Of receipt.json."""


@dataclass(frozen=True)
class Published:
    """What one target of a push holds since.

    Attributes:
        target: ``hub`` or ``cache``.
        repo_id: ``org/name``.
        commit: 40 hex digits.
        files: what was published, README.md too, by name.
        cache_dir: the Hub cache, of the target ``cache``.
        endpoint: the Hub's address, of the target ``hub``; likewise what follows.
        branch: that was moved.
        parent: the commit before.
        tag: that names the commit, where one does.
        tag_was: the commit that the tag was taken from, where it was moved.
        pull_request: its number, where it was proposed only.
    """

    target: str
    repo_id: str
    commit: str
    files: Mapping[str, Claim]
    cache_dir: Path | None = None
    endpoint: str | None = None
    branch: str = "main"
    parent: str | None = None
    tag: str | None = None
    tag_was: str | None = None
    pull_request: int | None = None


def read_receipt(path: Path) -> tuple[Published, ...]:
    """Read what a receipt says was published; what was only shown (``dry_run``) is left out.

    Raises:
        FormatError: when it is no receipt, or nothing was published.
    """
    try:
        receipt = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _none(path) from error
    entries = receipt.get("targets") if isinstance(receipt, Mapping) else None
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise _none(path)
    if receipt.get("format") != FORMAT:
        what = f"The receipt has the format {receipt.get('format')!r}; this version reads {FORMAT}."
        raise FormatError(what, str(path))
    published = tuple(_published(entry, path) for entry in entries if "commit" in entry)
    if not published:
        raise FormatError("The receipt names no commit: nothing was published.", str(path))
    return published


def kept_entries(path: Path) -> list[dict[str, Any]]:
    """Give the entries of a receipt as they stand; none, where it cannot be read."""
    try:
        entries = json.loads(path.read_bytes())["targets"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
    return [entry for entry in entries if isinstance(entry, dict)]


def merged_entries(new: list[dict[str, Any]], old: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give new entries, then those of places that they do not speak of: nothing published is lost.

    Where the same commit is published again, what only the push that made it knew is kept.
    """
    known = {_place(entry): entry for entry in old if "commit" in entry}
    for entry in new:
        was = known.pop(_place(entry), {})
        if was.get("commit") == entry.get("commit"):
            entry.update({key: was[key] for key in _seen_once(entry, was) if key in was})
    return [*new, *known.values()]


def _seen_once(entry: Mapping[str, Any], was: Mapping[str, Any]) -> Iterator[str]:
    """Name what an entry says of how things were before, and saw too late: it had been moved."""
    if not entry.get("changed"):
        yield from ("previous", "changes")
    if entry.get("tag_was") is None and entry.get("tag") == was.get("tag"):
        yield "tag_was"


def _place(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """Give what tells the places of two entries apart."""
    names = ("target", "endpoint", "cache_dir", "repo_id", "branch", "pull_request")
    return tuple(entry.get(name) for name in names)


def _published(entry: Mapping[str, Any], path: Path) -> Published:
    target, cache = str(entry.get("target")), entry.get("cache_dir")
    repo_id, commit, files = (entry.get(key) for key in ("repo_id", "commit", "files"))
    if target != "hub" and not (target == "cache" and isinstance(cache, str)):
        raise _none(path)
    if not isinstance(repo_id, str) or not is_repo_id(repo_id):
        raise _none(path)
    if not isinstance(commit, str) or not is_commit(commit):
        raise _none(path)
    claims = dict(claims_in(path.name, files)) if isinstance(files, Mapping) else {}
    sound = {name: claim for name, claim in claims.items() if claim is not None}
    if not sound or len(sound) < len(claims):
        raise _none(path)
    if target == "cache":
        return Published(target, repo_id, commit, sound, Path(str(cache)))
    said = {key: entry.get(key) for key in ("endpoint", "branch", "parent", "tag", "tag_was")}
    if not all(value is None or isinstance(value, str) for value in said.values()):
        raise _none(path)
    kept: dict[str, Any] = {key: value for key, value in said.items() if value is not None}
    if not all(is_commit(kept[key]) for key in ("parent", "tag_was") if key in kept):
        raise _none(path)
    if not isinstance(number := entry.get("pull_request"), int | None):
        raise _none(path)
    return Published(target, repo_id, commit, sound, pull_request=number, **kept)


def _none(path: Path) -> FormatError:
    hint = "Give the receipt.json of a push, or a release's folder; pipeline.inspect reads models."
    return FormatError("The file is no receipt that can be read.", str(path), hint)

"""Publishes into a Hub cache, where Hub clients find the release by its id with no network.

The cache is working state, unlike the Hub: a new variant of the same version is everyday there, so
the branch and the tag move to it, and the receipt tells from where.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.errors import PushError
from pipeline.stage import Context, Problem, Progress
from stages.common.hub.contents import Tree
from stages.push.cached_repo import CachedRepo, commit_id
from stages.push.difference import Difference, changes
from stages.push.listing import text_size
from stages.push.target import Publication, receipt_files

_ELSEWHERE = "Choose another folder: push.cache.dir=/path/to/folder"


class Cache:
    """A Hub cache folder, the one that clients call ``cache_dir``."""

    name = "cache"

    def __init__(self, root: Path, repo_id: str) -> None:
        """Take the cache's folder and the id to publish under."""
        self.root, self.repo_id = root, repo_id

    def check(self, ctx: Context) -> list[Problem]:
        """Find a folder that cannot be written, or a disk that cannot hold copies."""
        nearest = self.root
        while not nearest.exists():
            nearest = nearest.parent
        if not nearest.is_dir():
            return [Problem("The Hub cache is no folder.", str(nearest), _ELSEWHERE)]
        if not os.access(nearest, os.W_OK | os.X_OK):
            return [Problem("The Hub cache cannot be written.", str(nearest), _ELSEWHERE)]
        size = self._copied(nearest, ctx)
        if size > (free := files.free_bytes(nearest)):
            what = f"The Hub cache's disk has {text_size(free)} free; {text_size(size)} are needed."
            return [Problem(what, str(nearest), _ELSEWHERE)]
        return []

    def notes(self, ctx: Context) -> tuple[str, ...]:
        """Tell when a client would look elsewhere all the same."""
        notes = []
        if self.repo_id.startswith("facebook/"):
            notes.append(
                f"cache: a client that is online takes {self.repo_id} from the Hub, "
                "not from this cache, unless HF_HUB_OFFLINE=1 is set."
            )
        codec = ctx.facts("export_compression")
        second = codec.get("pretrained") if codec.get("form") == "reference" else None
        if second and "/" in second:
            notes.append(
                f"cache: to load offline, the cache must hold the codec {second} too; "
                "compression=bundle puts it into the release."
            )
        return tuple(notes)

    def publish(self, publication: Publication, ctx: Context) -> dict[str, Any]:
        """Publish; a second time nothing changes, and what is missing or short is put right.

        Raises:
            PushError: when the disk refuses, or a file is not what SHA256SUMS says.
            LockedError: when another publication into this repository does not end.
        """
        repo = CachedRepo(self.root, publication.repo_id)
        commit = commit_id(publication.files)
        try:
            with repo.locked() as staging:
                before = {ref: repo.read_ref(ref) for ref in publication.refs}
                previous = before.get(publication.branch or publication.variant)
                listed = {file.name: file for file in publication.files}
                difference = Difference(listed, repo.tree(previous), delete_stale=True)
                if previous != commit:
                    for line in difference.lines():
                        ctx.progress.note(f"cache: {line}")
                repo.put(commit, publication.files, staging, ctx.progress)
                after = repo.tree(commit)
                self._verify(repo, difference, after)
                for ref in publication.refs:
                    repo.write_ref(ref, commit, staging)
        except OSError as error:
            what = f"The Hub cache cannot be written: {error.strerror}."
            raise PushError(what, str(error.filename or self.root), _ELSEWHERE) from error
        moved = {ref: held for ref, held in before.items() if held != commit}
        environment = {"AUDIOCRAFT_CACHE_DIR": str(self.root), "HF_HUB_OFFLINE": "1"}
        self._tell(publication, commit, moved, ctx.progress)
        settings = " ".join(f"{name}={shlex.quote(text)}" for name, text in environment.items())
        ctx.progress.note(
            f"cache: AudioCraft loads it by this id with {settings}"
            if publication.branch == "main"  # it knows no other
            else "cache: AudioCraft takes main: it loads this by its folder, not by the id"
        )
        return {
            "target": self.name,
            "repo_id": publication.repo_id,
            "commit": commit,
            "previous": previous,
            "refs": list(publication.refs),
            "changed": bool(moved),
            "changes": changes(difference.tree, after, listed),
            "files": receipt_files(publication),
            "cache_dir": str(self.root),
            "load_with": environment,
        }

    def _verify(self, repo: CachedRepo, difference: Difference, after: Tree) -> None:
        missing = difference.change.missing(after)
        if missing:
            raise PushError(
                f"The cache does not hold what was published: {', '.join(missing)}.",
                str(repo.root),
                "Somebody else changes it; run the same command again.",
            )

    def _copied(self, nearest: Path, ctx: Context) -> int:
        """Give the bytes that do not fit a hard link, because the cache is on another disk."""
        outputs = ctx.run.outputs.root
        while not outputs.exists():
            outputs = outputs.parent
        if nearest.stat().st_dev == outputs.stat().st_dev:
            return 0
        plans = (
            ctx.plans[name] for name in ("export_lm", "export_compression") if name in ctx.plans
        )
        return sum(plan.size or 0 for plan in plans)

    def _tell(
        self,
        publication: Publication,
        commit: str,
        moved: dict[str, str | None],
        progress: Progress,
    ) -> None:
        where = f"{self.name}: {publication.repo_id}"
        if not moved:
            progress.note(f"{where} is unchanged at {commit[:12]} ({', '.join(publication.refs)})")
            return
        for ref, held in moved.items():
            progress.note(f"{where} {ref} -> {commit[:12]}{f' (was {held[:12]})' if held else ''}")

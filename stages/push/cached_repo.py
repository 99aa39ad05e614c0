"""One repository in a Hub cache, in the layout that huggingface_hub itself keeps.

::

    models--ORG--NAME/
      blobs/ETAG               content, named as in `stages.push.listing`
      snapshots/COMMIT/NAME    relative symlinks into blobs/
      trees/COMMIT.json        what a snapshot must hold, so that clients see one that is short
      refs/REVISION            the commit, without a newline

Everything is made in a folder of its own and moved, blobs first and refs last, so that a kill
leaves nothing that a client could take for whole; the next publisher puts right what it leaves.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline import files
from pipeline.errors import LockedError
from pipeline.manifest import canonical
from pipeline.stage import Progress, Task
from stages.common.hub.caches import folder_name
from stages.common.hub.contents import HeldFile, Tree
from stages.common.hub.uploading import changed
from stages.push.listing import SentFile

PATIENCE = 600.0
"""Seconds to wait for another publisher, who may be copying to another disk."""

_SHA256 = 64
"""Hex digits; the other kind of name is a sha1."""

TREE_FORMAT = 1
"""Of ``trees/COMMIT.json``, as huggingface_hub 2 reads it."""


class CachedRepo:
    """One repository in a Hub cache."""

    def __init__(self, cache: Path, repo_id: str, patience: float = PATIENCE) -> None:
        """Name the folders; nothing is made yet.

        Args:
            cache: the cache's folder.
            repo_id: ``org/name``.
            patience: seconds to wait for another publisher.
        """
        self.patience = patience
        folder = folder_name(repo_id)
        self.root = cache / folder
        self.lock = cache / ".locks" / folder / "publish.lock"
        self.blobs, self.snapshots = self.root / "blobs", self.root / "snapshots"
        self.trees, self.refs = self.root / "trees", self.root / "refs"

    @contextmanager
    def locked(self) -> Iterator[Path]:
        """Be the only publisher while the block runs; give an empty folder to make things in."""
        from filelock import FileLock, Timeout

        self.lock.parent.mkdir(parents=True, exist_ok=True)
        staging = self.root / ".publishing"
        try:
            with FileLock(self.lock, timeout=self.patience):
                files.remove(staging)
                staging.mkdir(parents=True)
                for folder in (self.blobs, self.snapshots, self.trees, self.refs):
                    folder.mkdir(exist_ok=True)
                yield staging
                files.remove(staging)
        except Timeout as error:
            what = "Another run keeps publishing into this repository."
            raise LockedError(what, str(self.root), "Wait for it, or stop it.") from error

    def read_ref(self, name: str) -> str | None:
        """Give the commit that a revision names."""
        path = self.refs / name
        return path.read_text("utf-8").strip() if path.is_file() else None

    def write_ref(self, name: str, commit: str, staging: Path) -> None:
        """Let a revision name a commit; clients do not strip a newline."""
        if (self.refs / name).is_file() and (self.refs / name).read_bytes() == commit.encode():
            return
        (self.refs / name).parent.mkdir(parents=True, exist_ok=True)
        files.write_text(staging / "ref", commit)
        files.replace_file(staging / "ref", self.refs / name)

    def tree(self, commit: str | None) -> Tree:
        """List the files of a snapshot as clients find them; of none, nothing.

        A blob is named by what is in it; a link whose blob is missing is no file.
        """
        found = {}
        for name, link in _links(self.snapshots / (commit or "none")).items():
            blob = self.blobs / Path(link).name
            if link and blob.is_file():
                sha256 = blob.name if len(blob.name) == _SHA256 else None
                found[name] = HeldFile(name, blob.stat().st_size, blob.name, sha256)
        return found

    def put(
        self, commit: str, sent: tuple[SentFile, ...], staging: Path, progress: Progress
    ) -> None:
        """Put a commit's blobs, its snapshot and its tree in place."""
        with progress.task("publish", sum(file.size for file in sent)) as task:
            for file in sent:
                task.say(file.name)
                self._put_blob(file, staging, task)
        self._put_snapshot(commit, sent, staging)
        self._put_tree(commit, sent, staging)

    def _put_blob(self, file: SentFile, staging: Path, task: Task) -> None:
        blob, ready = self.blobs / file.etag, staging / "blob"
        if self._is_copy(blob, file):
            held = files.file_digest(blob, task.advance).sha256 == file.sha256
        else:
            held = self._holds(blob, file)
            task.advance(file.size)
        if held:
            return
        if file.binary:
            files.link(file.path, ready)
        else:
            # A copy: somebody may edit a text in place, and the cache must not change with it.
            ready.write_bytes(file.path.read_bytes())
        if not ready.samefile(file.path) and files.file_digest(ready).sha256 != file.sha256:
            raise changed(file.name, file.path)
        files.replace_file(ready, blob)

    def _is_copy(self, blob: Path, file: SentFile) -> bool:
        """Tell whether a blob is on another disk than our file: only reading it shows what it is.

        One of another size is none.
        """
        if not file.binary or not blob.is_file():
            return False
        held = blob.stat()
        return held.st_size == file.size and held.st_dev != file.path.stat().st_dev

    def _holds(self, blob: Path, file: SentFile) -> bool:
        """Tell whether a blob is as it must be; another file on our disk gives way to our own."""
        try:
            held = blob.stat()
        except FileNotFoundError:
            return False
        if held.st_size != file.size:
            return False
        if not file.binary:
            return files.file_digest(blob).sha256 == file.sha256
        return blob.samefile(file.path)

    def _put_snapshot(self, commit: str, sent: tuple[SentFile, ...], staging: Path) -> None:
        final, ready = self.snapshots / commit, staging / "snapshot"
        wanted = {file.name: _link_text(file) for file in sent}
        if _links(final) == wanted:
            return
        for name, target in wanted.items():
            (ready / name).parent.mkdir(parents=True, exist_ok=True)
            (ready / name).symlink_to(target)
        files.remove(final)
        files.replace_folder(ready, final)

    def _put_tree(self, commit: str, sent: tuple[SentFile, ...], staging: Path) -> None:
        entries = {}
        for file in sent:
            entries[file.name] = {"size": file.size, "blob_id": file.git_blob}
            if file.binary:
                entries[file.name] |= {"lfs_sha256": file.sha256, "lfs_size": file.size}
        text = json.dumps({"format_version": TREE_FORMAT, "files": entries}, indent=1)
        final = self.trees / f"{commit}.json"
        if not final.is_file() or final.read_text("utf-8") != text:
            files.write_text(staging / "tree", text)
            files.replace_file(staging / "tree", final)


def commit_id(sent: tuple[SentFile, ...]) -> str:
    """Give the 40 hex digits that name exactly these files."""
    content = canonical({file.name: file.etag for file in sent})
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def _link_text(file: SentFile) -> str:
    depth = file.name.count("/")
    return "../" * (depth + 2) + f"blobs/{file.etag}"


def _links(folder: Path) -> dict[str, str]:
    """Give what every symlink below a folder says; of another file, nothing."""
    found = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return {
        path.relative_to(folder).as_posix(): os.readlink(path) if path.is_symlink() else ""
        for path in found
    }

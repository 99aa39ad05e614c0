"""One repository on disk: commits that never change, and names for them that do.

::

    ORG/NAME/
      repo.json            private or not, gated or not, since when
      refs.json            {"refs/heads/main": COMMIT, "refs/tags/v1.0": ..., "refs/pr/1": ...}
      commits/COMMIT.json  parent, author, date, message, and its whole tree
      blobs/GIT_ID         what git keeps itself
      large/SHA256         large-file storage; see `tests.hub.large`

A commit is there once `refs.json` is replaced, and until then is not: a kill leaves no half one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.hub import git, refusals
from tests.hub.attributes import FIRST, with_covered
from tests.hub.git import File
from tests.hub.large import LargeFiles
from tests.hub.refusals import RefusalError


@dataclass(frozen=True)
class Commit:
    """One commit with its tree.

    Attributes:
        oid: 40 hex digits, as git would compute them.
        parent: the commit before it; ``None`` for the first.
        author: a user's name.
        date: in UTC, to the second as git keeps it.
        title: the first line of its message.
        message: the rest.
        files: by path.
    """

    oid: str
    parent: str | None
    author: str
    date: datetime
    title: str
    message: str
    files: Mapping[str, File]


class Repo:
    """A repository of models; writers hold the lock of `tests.hub.store.Store`."""

    def __init__(self, repo_id: str, folder: Path) -> None:
        """Name its parts; nothing is made yet.

        Args:
            repo_id: ``ORG/NAME``.
            folder: where it is kept.
        """
        self.id, self.folder = repo_id, folder
        self.large = LargeFiles(folder / "large")

    @property
    def namespace(self) -> str:
        return self.id.partition("/")[0]

    @property
    def exists(self) -> bool:
        return (self.folder / "refs.json").is_file()

    @property
    def settings(self) -> dict[str, Any]:
        """``private``, ``gated`` (``False``, ``"auto"`` or ``"manual"``) and ``created``."""
        settings: dict[str, Any] = _read(self.folder / "repo.json")
        return settings

    def change_settings(self, **changes: Any) -> None:
        _write(self.folder / "repo.json", {**self.settings, **changes})

    @property
    def refs(self) -> dict[str, str]:
        """The commit that each full name stands for, such as ``refs/heads/main``."""
        refs: dict[str, str] = _read(self.folder / "refs.json")
        return refs

    def set_ref(self, name: str, commit: str | None) -> None:
        """Let a name stand for a commit, or for nothing any more."""
        refs = {**self.refs, name: commit}
        _write(self.folder / "refs.json", {ref: oid for ref, oid in refs.items() if oid})

    def initialise(self, author: str, private: bool) -> None:
        """Make it, with the first commit that the Hub itself makes."""
        for part in ("commits", "blobs"):
            (self.folder / part).mkdir(parents=True)
        settings = {"private": private, "gated": False, "created": _now().isoformat()}
        _write(self.folder / "repo.json", settings)
        first = {".gitattributes": self.keep(FIRST.encode())}
        commit = self.add_commit(None, first, author, "initial commit")
        _write(self.folder / "refs.json", {"refs/heads/main": commit.oid})

    def find(self, revision: str) -> Commit:
        """Give the commit of a branch, a tag, a full name or a commit.

        Raises:
            RefusalError: when there is none.
        """
        refs = self.refs
        for name in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if name in refs:
                return self.commit(refs[name])
        known = re.fullmatch("[0-9a-f]{40}", revision)
        if not known or not self._commit_file(revision).is_file():
            raise refusals.no_revision(revision)
        return self.commit(revision)

    def branch(self, revision: str) -> str:
        """Give the full name of something that commits can be added to.

        Raises:
            RefusalError: when it is no branch and no pull request.
        """
        for name in (f"refs/heads/{revision}", revision):
            if name in self.refs and not name.startswith("refs/tags/"):
                return name
        raise refusals.no_revision(revision)

    def commit(self, oid: str) -> Commit:
        """Read a commit that is known to be there."""
        read = _read(self._commit_file(oid))
        files = {path: File(**fields) for path, fields in read.pop("files").items()}
        date = datetime.fromisoformat(read.pop("date"))
        return Commit(oid, date=date, files=files, **read)

    def history(self, commit: Commit) -> Iterator[Commit]:
        """Give a commit and all before it, the newest first."""
        yield commit
        while commit.parent:
            commit = self.commit(commit.parent)
            yield commit

    def add_commit(
        self,
        parent: str | None,
        files: Mapping[str, File],
        author: str,
        title: str,
        message: str = "",
    ) -> Commit:
        """Write a commit, which nothing names yet, with the attributes that its files need."""
        files, date = self._with_attributes(files), _now()
        text = f"{title}\n\n{message}" if message else title
        oid = git.commit_id(git.folders(files)[""], parent, author, date, text)
        value = {
            "parent": parent,
            "author": author,
            "date": date.isoformat(),
            "title": title,
            "message": message,
            "files": {path: asdict(file) for path, file in sorted(files.items())},
        }
        _write(self._commit_file(oid), value)
        return self.commit(oid)

    def keep(self, content: bytes) -> File:
        """Keep the content of a regular file."""
        file = git.regular(content)
        _replace(self.folder / "blobs" / file.oid, content)
        return file

    def content(self, file: File) -> Path:
        """Say where the content of a file is."""
        if file.sha256:
            return self.large.path(file.sha256)
        return self.folder / "blobs" / file.oid

    def text(self, files: Mapping[str, File], path: str) -> str:
        """Give the text of a regular file of a tree; nothing when it is not there."""
        file = files.get(path)
        return self.content(file).read_text("utf-8") if file else ""

    def used(self) -> int:
        """Bytes of content that it takes."""
        folders = (self.folder / "blobs", self.large.folder)
        files = (path for folder in folders if folder.is_dir() for path in folder.iterdir())
        return sum(path.stat().st_size for path in files if path.is_file())

    def _with_attributes(self, files: Mapping[str, File]) -> dict[str, File]:
        """Add the lines without which large files would be regular ones in a clone."""
        large = sorted(path for path, file in files.items() if file.sha256)
        attributes = self.text(files, ".gitattributes")
        covered = with_covered(large, attributes)
        if covered == attributes:
            return dict(files)
        return {**files, ".gitattributes": self.keep(covered.encode())}

    def _commit_file(self, oid: str) -> Path:
        return self.folder / "commits" / f"{oid}.json"


def demand_name(repo_id: str) -> None:
    """Refuse what is no ``ORG/NAME``; it is about to name a folder.

    Raises:
        RefusalError: when it is none.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", repo_id, re.ASCII):
        raise RefusalError(400, f"Invalid repository name: {repo_id}")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _write(path: Path, value: Any) -> None:
    _replace(path, json.dumps(value, indent=1).encode())


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)

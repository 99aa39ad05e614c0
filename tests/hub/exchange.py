"""One request and its answer, without a word about sockets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.hub import refusals
from tests.hub.accounts import READ, Token
from tests.hub.body import Body
from tests.hub.refusals import RefusalError
from tests.hub.repo import Repo

if TYPE_CHECKING:
    from tests.hub.hub import Hub


@dataclass(frozen=True)
class Slice:
    """Bytes ``start`` to ``stop`` of a file."""

    path: Path
    start: int
    stop: int


@dataclass(frozen=True)
class Answer:
    """What is sent back.

    Attributes:
        content: bytes in memory, or on disk.
        status: of HTTP.
        headers: beside those that every answer has.
    """

    content: bytes | Slice = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        if isinstance(self.content, Slice):
            return self.content.stop - self.content.start
        return len(self.content)


@dataclass(frozen=True)
class Call:
    """A request.

    Attributes:
        hub: who is asked.
        names: the parts of the path that the route names, unquoted.
        query: what follows the question mark, the last of each name.
        headers: of the request.
        body: what is sent.
    """

    hub: Hub
    names: Mapping[str, str]
    query: Mapping[str, str]
    headers: Message
    body: Body

    @property
    def token(self) -> Token | None:
        """Who asks.

        Raises:
            RefusalError: when there is a token, but nobody whose it is.
        """
        scheme, _, text = self.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        token = self.hub.accounts.find(text)
        if scheme != "Bearer" or token is None:
            raise RefusalError(401, "Invalid credentials in Authorization header")
        return token

    def user(self) -> Token:
        """Give who asks.

        Raises:
            RefusalError: when nobody is logged in.
        """
        if self.token is None:
            raise refusals.login_needed()
        return self.token

    def content(self) -> bytes:
        return b"".join(self.body.blocks())

    def json(self) -> Any:
        return json.loads(self.content())

    def repo(self) -> Repo:
        """Give the repository of the path, for reading about it.

        Raises:
            RefusalError: when there is none that this user may know of.
        """
        # A token of nobody is refused even where none is needed.
        token = self.token
        repo = self.hub.store.repo(self.names["repo"])
        known = repo.exists and (not repo.settings["private"] or self._owns(repo))
        if known:
            return repo
        raise refusals.no_repository() if token else refusals.login_needed()

    def opened(self) -> Repo:
        """Give the repository of the path, for reading what is in its files.

        Raises:
            RefusalError: when it is gated and this user is not let in.
        """
        repo = self.repo()
        if not repo.settings["gated"] or self._owns(repo):
            return repo
        what = f"Access to model {repo.id} is restricted"
        if self.token is None:
            message = f"{what}. You must have access to it and be authenticated. Please log in."
            raise RefusalError(401, message, "GatedRepo")
        message = f"{what} and you are not in the authorized list. Ask at {self.hub.url(repo)}"
        raise RefusalError(403, message, "GatedRepo")

    def contributed(self) -> Repo:
        """Give the repository of the path, for proposing a change to it.

        Raises:
            RefusalError: when the token is for reading only.
        """
        repo = self.repo()
        if self.user().role == READ:
            message = "Forbidden: you must use a write token to upload to a repository."
            raise RefusalError(403, message)
        return repo

    def written(self) -> Repo:
        """Give the repository of the path, for changing it.

        Raises:
            RefusalError: when this user or token may not.
        """
        repo = self.contributed()
        if not self._owns(repo):
            what = "pass `create_pr=1` as a query parameter to create a Pull Request"
            raise RefusalError(403, f"Forbidden: {what}")
        return repo

    def ranged(self, path: Path, headers: Mapping[str, str]) -> Answer:
        """Answer with a file, or the part of it that is asked for.

        Raises:
            RefusalError: when it ends before that part begins.
        """
        size = path.stat().st_size
        headers = {"Accept-Ranges": "bytes", **headers}
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not asked or not any(asked.groups()):
            return Answer(Slice(path, 0, size), 200, headers)
        first, last = asked.groups()
        start = int(first) if first else max(size - int(last), 0)
        stop = min(int(last) + 1, size) if first and last else size
        if start >= stop:
            where = {"Content-Range": f"bytes */{size}"}
            raise RefusalError(416, "Requested Range Not Satisfiable", headers=where)
        where = {"Content-Range": f"bytes {start}-{stop - 1}/{size}"}
        return Answer(Slice(path, start, stop), 206, {**headers, **where})

    def _owns(self, repo: Repo) -> bool:
        return self.hub.accounts.reaches(self.token, repo.id)


def as_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with JSON."""
    kind = {"Content-Type": "application/json; charset=utf-8"}
    return Answer(json.dumps(value).encode(), status, {**kind, **(headers or {})})


def as_date(date: datetime) -> str:
    """Write a date as the Hub does, the only form that its clients read."""
    return f"{date:%Y-%m-%dT%H:%M:%S}.000Z"


def as_error(refused: RefusalError) -> Answer:
    """Answer with an error, said in the body and in the headers."""
    headers = {"X-Error-Message": refused.message, **refused.headers}
    if refused.code:
        headers["X-Error-Code"] = refused.code
    return as_json({"error": refused.message, **refused.fields}, refused.status, headers)

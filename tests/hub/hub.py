"""The Hub as a test holds it: its address, its tokens, what has been asked, what is to go wrong."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from time import monotonic

from tests.hub import git
from tests.hub.accounts import Accounts
from tests.hub.attributes import is_large
from tests.hub.faults import Faults
from tests.hub.repo import Repo
from tests.hub.routes import ROUTES
from tests.hub.server import Server
from tests.hub.store import Store


@dataclass(frozen=True)
class Request:
    """One line of the log.

    Attributes:
        route: a name of `tests.hub.routes`; empty for an address that is none.
        method: of HTTP.
        path: as it was asked for, with the query.
        status: what was answered; ``None`` when the connection was closed instead.
        at: seconds on the clock that only goes forward.
    """

    route: str
    method: str
    path: str
    status: int | None
    at: float = field(default_factory=monotonic, compare=False)


class Hub:
    """A running Hub.

    Attributes:
        accounts: users, organisations and tokens.
        store: the repositories.
        faults: what is to go wrong.
        requests: what has been asked, in the order of the answers.
        quotas: bytes that a user or an organisation may keep; who is not in it, any.
        part_size: bytes; a larger file is uploaded in parts of this size.
        page_size: entries of a tree in one answer.
    """

    def __init__(self, root: Path) -> None:
        """Take the folder that holds all of it."""
        root.mkdir(parents=True, exist_ok=True)
        self.accounts = Accounts(root / "accounts.json")
        self.store = Store(root / "repositories")
        self.faults = Faults(route.name for route in ROUTES)
        self.requests: list[Request] = []
        self.quotas: dict[str, int] = {}
        self.part_size, self.page_size = 5 << 20, 1000
        self.port = 0

    @property
    def endpoint(self) -> str:
        """The address that ``HF_ENDPOINT`` is set to."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def tokens(self) -> dict[str, str]:
        """What to send, by the token's name."""
        return {name: token.text for name, token in self.accounts.tokens.items()}

    def environment(self, token: str | None = None) -> dict[str, str]:
        """Give the variables with which a process takes this Hub for the real one.

        Args:
            token: its name; ``None`` for somebody who is not logged in.
        """
        variables = {
            "HF_ENDPOINT": self.endpoint,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            # Whoever runs the tests may be logged in at the real Hub.
            "HF_TOKEN_PATH": os.devnull,
            "no_proxy": "*",
        }
        return variables | ({"HF_TOKEN": self.tokens[token]} if token else {})

    def url(self, repo: Repo) -> str:
        """Give the page of a repository."""
        return f"{self.endpoint}/{repo.id}"

    def storage_url(self, repo: Repo, sha256: str) -> str:
        """Give the address of a large file: another host's name, and so another origin."""
        return f"http://localhost:{self.port}/storage/{repo.id}/{sha256}"

    def log(self, route: str, method: str, path: str, status: int | None) -> None:
        """Note a request."""
        self.requests.append(Request(route, method, path, status))

    def seed(self, repo_id: str, files: Mapping[str, bytes], author: str = "ada") -> str:
        """Commit files without a client, into a repository that is made if need be.

        Args:
            repo_id: ``ORG/NAME``.
            files: contents by path, added to what is on main.
            author: a user's name.

        Returns:
            The commit.
        """
        with self.store.lock:
            repo = self.store.repo(repo_id)
            if not repo.exists:
                repo.initialise(author, private=False)
            head = repo.find("main")
            attributes = repo.text(head.files, ".gitattributes")
            tree = dict(head.files)
            for path, content in files.items():
                if is_large(path, len(content), content[:512], attributes):
                    sha256 = hashlib.sha256(content).hexdigest()
                    repo.large.receive(sha256, [content])
                    tree[path] = git.large(sha256, len(content))
                else:
                    tree[path] = repo.keep(content)
            commit = repo.add_commit(head.oid, tree, author, "seed")
            repo.set_ref("refs/heads/main", commit.oid)
        return commit.oid


@contextmanager
def serve(root: Path, port: int = 0) -> Iterator[Hub]:
    """Serve a Hub on the loopback while the block runs.

    Args:
        root: its folder; another Hub served from it later knows all that this one knew.
        port: 0 for any free one.
    """
    hub = Hub(root)
    with Server(hub, port) as server:
        hub.port = server.server_port
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()

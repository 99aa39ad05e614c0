"""A model repository on the Hub: what it holds and is named by, and the small changes to that."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from pipeline import __version__
from pipeline.errors import PushError
from stages.common.hub.account import Account
from stages.common.hub.client import quiet, told
from stages.common.hub.contents import Tree
from stages.common.hub.patience import Patience
from stages.common.hub.remote import held

CLIENT = "audiocraft-release-pipeline"
"""How we call ourselves to the Hub."""

T = TypeVar("T")


@dataclass(frozen=True)
class State:
    """What a repository is.

    Attributes:
        private: whether others cannot see it.
        gated: ``False``, ``"auto"`` or ``"manual"``: how others come to read its files.
        head: the commit of its main branch.
    """

    private: bool
    gated: str | bool
    head: str


@dataclass(frozen=True)
class Commit:
    """A commit in a repository's history."""

    oid: str
    title: str
    message: str
    authors: tuple[str, ...]


@dataclass(frozen=True)
class Refs:
    """The names of commits.

    Attributes:
        branches: commits by branch.
        tags: commits by tag.
        proposals: commits by number of the pull request, the newest last.
    """

    branches: dict[str, str]
    tags: dict[str, str]
    proposals: dict[int, str]


class Repository:
    """A repository, whether it is there yet or not.

    Every method asks the Hub, patiently where it may be asked twice, and raises `PushError` when
    that fails.
    """

    def __init__(
        self,
        repo_id: str,
        endpoint: str | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take its id; nothing is asked yet.

        Args:
            repo_id: ``org/name``.
            endpoint: the Hub's address; by default that of ``HF_ENDPOINT``, else the public Hub.
            say: is told why something takes long.
        """
        from huggingface_hub import HfApi

        self.repo_id = repo_id
        address = endpoint and endpoint.rstrip("/")
        self.api = HfApi(endpoint=address, library_name=CLIENT, library_version=__version__)
        self.endpoint = str(self.api.endpoint)
        self.say, self.patience = say, Patience(say)
        self._trees = dict[str, Tree]()

    @property
    def url(self) -> str:
        """The page of the repository."""
        return f"{self.endpoint}/{self.repo_id}"

    def commit_url(self, oid: str) -> str:
        """The page of a commit."""
        return f"{self.url}/commit/{oid}"

    def proposal_url(self, number: int) -> str:
        """The page of a pull request."""
        return f"{self.url}/discussions/{number}"

    def account(self) -> Account:
        """Tell whose token it is; cached, because the Hub counts these questions."""
        if not _logged_in():
            raise PushError(
                "There is no Hub token, so nothing can be published.",
                "Neither HF_TOKEN nor the token file of `hf auth login` has one.",
                f"Log in (hf auth login), or set HF_TOKEN: {self.endpoint}/settings/tokens",
            )
        return Account.of(self._ask(lambda: self.api.whoami(cache=True)))

    def state(self) -> State | None:
        """Describe the repository; ``None`` when there is none that this token may know of."""
        from huggingface_hub.errors import RepositoryNotFoundError

        def ask() -> State | None:
            try:
                found = self.api.repo_info(self.repo_id)
            except RepositoryNotFoundError as error:
                if error.response.status_code == 401 and _logged_in():
                    self.api.whoami(cache=True)  # says so when it is the token's fault
                return None
            return State(bool(found.private), found.gated or False, str(found.sha))

        return self._ask(ask)

    def may_write(self) -> bool:
        """Tell whether the token may change the repository."""
        from huggingface_hub.errors import HfHubHTTPError

        def ask() -> bool:
            try:
                self.api.auth_check(self.repo_id, write=True)
            except HfHubHTTPError as error:
                if error.response.status_code == 403:
                    return False
                raise
            return True

        return self._ask(ask)

    def demand_reading(self) -> None:
        """Ask whether the token may read the files."""
        self._ask(lambda: self.api.auth_check(self.repo_id))

    def refs(self) -> Refs:
        """List the names of commits."""
        found = self._ask(lambda: self.api.list_repo_refs(self.repo_id, include_pull_requests=True))
        proposals = {
            int(ref.ref.rpartition("/")[2]): ref.target_commit
            for ref in found.pull_requests or ()
            if ref.ref.rpartition("/")[2].isdigit()
        }
        return Refs(
            {ref.name: ref.target_commit for ref in found.branches},
            {ref.name: ref.target_commit for ref in found.tags},
            dict(sorted(proposals.items())),
        )

    def open_proposals(self, most: int) -> list[int]:
        """Give the numbers of the pull requests that are still open, the newest first.

        Args:
            most: how many to give at most.
        """
        with self.told():
            found = self.api.get_repo_discussions(
                self.repo_id, discussion_type="pull_request", discussion_status="open"
            )
            return [each.num for each in islice(found, most)]

    def tree(self, commit: str) -> Tree:
        """List the files of a commit with their digests; asked once, because none ever changes."""
        if commit not in self._trees:
            self._trees[commit] = self._tree(commit)
        return self._trees[commit]

    def _tree(self, commit: str) -> Tree:
        from huggingface_hub import RepoFile

        with self.told():  # patient is the client itself, here and with the history
            found = list(self.api.list_repo_tree(self.repo_id, revision=commit, recursive=True))
        return {entry.path: held(entry) for entry in found if isinstance(entry, RepoFile)}

    def history(self, revision: str) -> list[Commit]:
        """List a commit and those before it, the newest first."""
        with self.told():
            found = self.api.list_repo_commits(self.repo_id, revision=revision)
        return [Commit(c.commit_id, c.title, c.message, tuple(c.authors)) for c in found]

    def read(self, path: str, commit: str) -> bytes:
        """Download a small file as everybody does, past every cache."""
        from huggingface_hub import hf_hub_download

        def ask() -> bytes:
            with tempfile.TemporaryDirectory() as folder, quiet():
                found = hf_hub_download(
                    self.repo_id, path, revision=commit, cache_dir=folder, endpoint=self.endpoint
                )
                return Path(found).read_bytes()

        with self.told():
            return self.patience(ask, refusals=False)

    def complaints(self, card: str) -> list[str]:
        """Ask what the Hub finds wrong with a card's metadata."""
        from huggingface_hub.utils import get_session, hf_raise_for_status  # type: ignore[attr-defined]

        def ask() -> list[str]:
            question = {"content": card, "repoType": "model"}
            answer = get_session().post(f"{self.endpoint}/api/validate-yaml", json=question)
            if answer.status_code == 400:
                return [error["message"] for error in answer.json().get("errors", ())]
            hf_raise_for_status(answer)
            return [error["message"] for error in answer.json().get("errors", ())]

        return self._ask(ask)

    def create(self, private: bool) -> None:
        """Make the repository, unless it is there."""
        self._ask(lambda: self.api.create_repo(self.repo_id, private=private, exist_ok=True))

    def set_gated(self, mode: str | bool) -> None:
        """Say how others come to read the files: ``"auto"``, ``"manual"``, or ``False``."""
        self._ask(lambda: self.api.update_repo_settings(self.repo_id, gated=mode))  # type: ignore[arg-type]

    def make_branch(self, name: str, commit: str) -> None:
        """Start a branch at a commit, unless it is there."""
        self._ask(
            lambda: self.api.create_branch(
                self.repo_id, branch=name, revision=commit, exist_ok=True
            )
        )

    def add_tag(self, name: str, commit: str, message: str) -> None:
        """Name a commit for good.

        Raises:
            PushError: when the tag turns out to name another commit.
        """

        def ask() -> None:
            # With exist_ok, the client takes a tag of any other commit for this one.
            self.api.create_tag(
                self.repo_id, tag=name, revision=commit, tag_message=message, exist_ok=True
            )

        self._ask(ask)
        if (held := self.refs().tags.get(name)) != commit:
            raise PushError(
                f"The tag {name} names another commit than the one that was pushed.",
                f"{self.commit_url(held)}" if held else self.url,
                "Take another one: push.tag=NAME, or move it: push.move_tag=true",
            )

    def remove_tag(self, name: str) -> None:
        """Forget a tag."""
        from huggingface_hub.errors import RevisionNotFoundError

        def ask() -> None:
            try:
                self.api.delete_tag(self.repo_id, tag=name)
            except RevisionNotFoundError:  # an answer before this one got lost
                return

        self._ask(ask)

    def _ask(self, ask: Callable[[], T]) -> T:
        with self.told():
            return self.patience(ask)

    def told(self) -> AbstractContextManager[None]:
        """Turn the client's errors into ours, and its warnings into notes."""
        return told(self.repo_id, self.endpoint, self.say)


def _logged_in() -> bool:
    from huggingface_hub import get_token

    return get_token() is not None

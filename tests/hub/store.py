"""All repositories of a Hub: the folder that stands for its database."""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import RLock

from tests.hub.repo import Repo, demand_name


class Store:
    """The repositories below a folder.

    Whoever changes one holds `lock`: of two writers one comes first, and the other sees it. One
    process at a time serves a folder.
    """

    def __init__(self, folder: Path) -> None:
        """Take the folder; what is in it is there again after a restart."""
        self.folder, self.lock = folder, RLock()

    def repo(self, repo_id: str) -> Repo:
        """Give a repository, whether or not it exists."""
        demand_name(repo_id)
        return Repo(repo_id, self.folder / repo_id)

    def remove(self, repo: Repo) -> None:
        """Forget a repository with all its content."""
        shutil.rmtree(repo.folder)

    def used(self, namespace: str) -> int:
        """Bytes of content that a user or an organisation takes."""
        folders = (self.folder / namespace).glob("*/")
        return sum(Repo(f"{namespace}/{folder.name}", folder).used() for folder in folders)

"""A copy of a release on a server: on the Hub, which knows its files' digests, or at an address.

What has to be read is downloaded into a folder that the caller removes, and never into a cache
where something else may be standing under the same name already.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit

from pipeline.errors import SourceError
from pipeline.layout import RELEASE_JSON, SHA256SUMS
from pipeline.stage import Progress
from stages.common import downloads, hub
from stages.common.copies import Held
from stages.common.hub.downloading import VERIFYING
from stages.common.hub.remote import RemoteTree, part


class HubCopy:
    """A copy in a repository, at one commit.

    Without ``whole`` the large files stay where they are, their sha256 is the Hub's word, and of
    archives only the pickle is read; texts are small and always read.
    """

    keeper = "the Hub"

    def __init__(self, tree: RemoteTree, folder: Path, whole: bool, progress: Progress) -> None:
        """Take the list of files, and where to download to.

        Args:
            tree: the list.
            folder: an empty one.
            whole: whether every file is to be read.
            progress: shown while something is downloaded.
        """
        self.tree, self.place = tree, f"{tree.repo_id}, commit {tree.commit}"
        self._folder, self._whole, self._progress = folder, whole, progress
        self.sizes: Mapping[str, int] | None = {
            name: file.size for name, file in tree.files.items()
        }

    def held(self, name: str, whole: bool = False) -> Held | None:
        """Give a file; see `Copy.held`."""
        file = self.tree.files.get(name)
        if file is None:
            return None
        if file.sha256 is not None and not (whole or self._whole):
            ranged = partial(part, self.tree, name)
            return Held(file.size, None, file.sha256, ranged)
        with self._progress.task(f"download {name}", file.size) as task:
            path = hub.download(
                self.tree.repo_id,
                name,
                self.tree.commit,
                self._folder,
                task.advance,
                self.tree.endpoint,
                VERIFYING,
            )
        return Held(path.stat().st_size, path)


class AddressCopy:
    """A copy in a folder behind an https:// address. Nobody lists it or knows its digests."""

    keeper = ""
    sizes: Mapping[str, int] | None = None

    def __init__(self, url: str, folder: Path, progress: Progress) -> None:
        """Take an address, of the folder or of one of the lists in it, and where to download to.

        Raises:
            ConfigError: when it is not https://.
        """
        downloads.demand_https(url)
        parts = urlsplit(url)
        if unquote(parts.path).rpartition("/")[2] in (SHA256SUMS, RELEASE_JSON):
            parts = parts._replace(path=parts.path.rpartition("/")[0])
        self._parts = parts._replace(path=parts.path.rstrip("/"), fragment="")
        self.place = downloads.shown(self._parts.geturl())
        self._folder, self._progress = folder, progress

    def held(self, name: str, whole: bool = False) -> Held | None:
        """Give a file; see `Copy.held`."""
        url = self._parts._replace(path=f"{self._parts.path}/{quote(name)}").geturl()
        kept = downloads.place_of(url, self._folder).is_file()
        with self._progress.task(
            f"download {name}", None if kept else downloads.size_of(url)
        ) as task:
            try:
                path = downloads.fetch(url, self._folder, advance=task.advance)
            except SourceError as error:
                if isinstance(error.__cause__, HTTPError) and error.__cause__.code in (404, 410):
                    return None
                raise
        return Held(path.stat().st_size, path)

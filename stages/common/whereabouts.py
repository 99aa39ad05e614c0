"""Where does WHAT lead, when it is a release?

A folder is itself, a run's its release. A Hub id leads where a loader would be served from: to the
Hub, or without a network to the cache. A receipt leads to the first place it names that is there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigError, SourceError
from pipeline.layout import Outputs, ReleaseFolder, Run
from pipeline.paths import expanded
from pipeline.stage import Progress
from stages.common import sources
from stages.common.copies import Copy, FolderCopy
from stages.common.hub import MAIN, default_cache, is_repo_id, remote, snapshot
from stages.common.receipt import Published, read_receipt
from stages.common.release_folder import is_release
from stages.common.remote_copies import AddressCopy, HubCopy


@dataclass(frozen=True)
class Whereabouts:
    """What a person gives to name a release.

    Attributes:
        what: a path, a Hub id (``ID@REVISION`` too) or an https:// address.
        revision: of a Hub id.
        cache_dir: a Hub cache to look into, instead of the Hub.
    """

    what: str
    revision: str | None = None
    cache_dir: Path | None = None


@contextmanager
def release_at(where: Whereabouts, progress: Progress) -> Iterator[Copy]:
    """Give the release that something leads to, for as long as the block runs.

    Args:
        where: what was given.
        progress: shown where something has to be downloaded.

    Raises:
        ConfigError: for what has no form that leads anywhere, or options that do not go with it.
        SourceError: for what is not there, or cannot be had.
        FormatError: for a receipt that cannot be read.
    """
    path = expanded(where.what)
    repo_id, revision = None, MAIN
    if not (where.what and path.exists()):
        repo_id, revision = repository_of(where)
    if repo_id is None:
        demand_plain(where)
    with empty_folder() as folder:
        if repo_id is not None and where.cache_dir is not None:
            yield cached(repo_id, revision, expanded(where.cache_dir))
        elif repo_id is not None:
            yield _in_repository(repo_id, revision, None, folder, progress)
        elif where.what and path.is_dir():
            yield FolderCopy(release_in(path.absolute()))
        elif where.what and path.is_file():
            yield _published(read_receipt(path), folder, progress)
        elif "://" in where.what:
            yield AddressCopy(where.what, folder, progress)
        else:
            raise nothing_at(where.what)


def demand_plain(where: Whereabouts) -> None:
    """Make sure that no option is given that only a Hub id has a use for.

    Raises:
        ConfigError: when one is.
    """
    for option, given in (("--revision", where.revision), ("--cache-dir", where.cache_dir)):
        if given is not None:
            raise ConfigError(f"{option} goes with a Hub id, which this is not.", where.what)


def nothing_at(what: str) -> SourceError:
    """Say that a name leads nowhere, and what is near."""
    path = expanded(what)
    return SourceError(
        f"There is nothing at {what!r}: no file, no folder, no https:// URL, no Hub id.",
        str(path.absolute()) if what else "",
        sources.near_files(path),
    )


def release_in(folder: Path) -> Path:
    """Give the folder itself, or the release of the run that it is.

    Raises:
        SourceError: when it is neither.
    """
    release, run = ReleaseFolder(folder), Run(folder, Outputs(folder.parent.parent))
    if is_release(folder) or release.sums.is_file():
        return folder
    if run.release.root.is_dir():
        return run.release.root
    hint = "A snapshot in a Hub cache is given as ORG/NAME --cache-dir CACHE"
    raise SourceError("The folder is no release, and no run that has one.", str(folder), hint)


def repository_of(where: Whereabouts) -> tuple[str | None, str]:
    """Give the Hub id that something is, or is the page of, and the revision that it names."""
    page = remote.page_of(where.what) if "://" in where.what else None
    repo_id, _, named = where.what.partition("@")
    if page is not None:
        repo_id, named = page[0], page[1] or ""
    elif not is_repo_id(repo_id):
        return None, MAIN
    if named and where.revision not in (None, named):
        what = f"Two revisions are asked for: {named} and {where.revision}."
        raise ConfigError(what, hint="Give one of them.")
    return repo_id, named or where.revision or MAIN


def cached(repo_id: str, revision: str, cache: Path | None) -> Copy:
    """Give what a Hub cache has of a repository.

    Raises:
        SourceError: when it has nothing.
    """
    folder = snapshot(repo_id, revision, cache)
    if folder is None:
        raise SourceError(
            f"The Hub cache has no {repo_id} at {revision}.",
            str(cache or default_cache() or ""),
            "Another cache: --cache-dir FOLDER",
        )
    return FolderCopy(folder)


@contextmanager
def empty_folder(prefix: str = "verify-") -> Iterator[Path]:
    """Give a folder for what is downloaded, removed afterwards; TMPDIR says on which disk."""
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        yield Path(folder)


def _in_repository(
    repo_id: str, revision: str, endpoint: str | None, folder: Path, progress: Progress
) -> Copy:
    tree = remote.tree(repo_id, revision, endpoint)
    if tree is not None:
        return HubCopy(tree, folder, False, progress)
    return cached(repo_id, revision, None)


def _published(published: tuple[Published, ...], folder: Path, progress: Progress) -> Copy:
    """Give the first of several places that still has what was published there."""
    missed: SourceError | None = None
    for one in published:
        try:
            if one.cache_dir is not None:
                return cached(one.repo_id, one.commit, one.cache_dir)
            return _in_repository(one.repo_id, one.commit, one.endpoint, folder, progress)
        except SourceError as error:
            missed = missed or error
    raise missed or SourceError("The receipt names no place.")

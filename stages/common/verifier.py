"""Where does WHAT lead, and is what lies there the release that it was?

A folder is itself, a run's its release. A Hub id leads where a loader would be served from: to the
Hub, or without a network to the cache. A receipt leads to every place that it names.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.errors import ConfigError, SourceError
from pipeline.layout import Outputs, ReleaseFolder, Run
from pipeline.paths import expanded
from pipeline.sheet import Remark
from pipeline.stage import Progress
from stages.common import sources
from stages.common.copies import Copy, FolderCopy
from stages.common.hub import MAIN, default_cache, is_repo_id, remote, snapshot
from stages.common.receipt import Published, read_receipt
from stages.common.release_folder import is_release
from stages.common.remote_copies import AddressCopy, HubCopy
from stages.common.verification import VerifiedCopy, verify


@dataclass(frozen=True)
class Doubt:
    """What is asked.

    Attributes:
        what: a path, a Hub id (``ID@REVISION`` too) or an https:// address.
        revision: of a Hub id.
        cache_dir: a Hub cache to look into, instead of the Hub.
        download: whether everything is to be read, whatever a Hub says of it.
    """

    what: str
    revision: str | None = None
    cache_dir: Path | None = None
    download: bool = False


def verified(doubt: Doubt, progress: Progress) -> tuple[VerifiedCopy, ...]:
    """Verify every copy that something leads to: one, or as many as a receipt names.

    Raises:
        ConfigError: for what has no form that leads anywhere, or options that do not go with it.
        SourceError: for what is not there, or cannot be had.
        FormatError: for a receipt, or a list, that cannot be read.
    """
    path = expanded(doubt.what)
    if doubt.what and path.exists():
        _demand_none_of(doubt, ("--revision", doubt.revision), ("--cache-dir", doubt.cache_dir))
        if path.is_file():
            published = read_receipt(path)
            return tuple(_as_published(one, doubt.download, progress) for one in published)
        return (verify(FolderCopy(_release_in(path.absolute())), progress),)
    repo_id, revision = _repository(doubt)
    if repo_id is not None:
        return (_of_repository(repo_id, revision, doubt, progress),)
    _demand_none_of(doubt, ("--revision", doubt.revision), ("--cache-dir", doubt.cache_dir))
    if "://" not in doubt.what:
        raise SourceError(
            f"There is nothing at {doubt.what!r}: no file, no folder, no https:// URL, no Hub id.",
            str(path.absolute()) if doubt.what else "",
            sources.near_files(path),
        )
    with _empty_folder() as folder:
        return (verify(AddressCopy(doubt.what, folder, progress), progress),)


def _demand_none_of(doubt: Doubt, *options: tuple[str, object]) -> None:
    for option, given in options:
        if given is not None:
            raise ConfigError(f"{option} goes with a Hub id, which this is not.", doubt.what)


def _release_in(folder: Path) -> Path:
    """Give the folder itself, or the release of the run that it is."""
    release, run = ReleaseFolder(folder), Run(folder, Outputs(folder.parent.parent))
    if is_release(folder) or release.sums.is_file():
        return folder
    if run.release.root.is_dir():
        return run.release.root
    hint = "A snapshot in a Hub cache: python -m pipeline.verify ORG/NAME --cache-dir CACHE"
    raise SourceError("The folder is no release, and no run that has one.", str(folder), hint)


def _repository(doubt: Doubt) -> tuple[str | None, str]:
    """Give the Hub id that something is, or is the page of, and the revision that it names."""
    page = remote.page_of(doubt.what) if "://" in doubt.what else None
    repo_id, _, named = doubt.what.partition("@")
    if page is not None:
        repo_id, named = page[0], page[1] or ""
    elif not is_repo_id(repo_id):
        return None, MAIN
    if named and doubt.revision not in (None, named):
        what = f"Two revisions are asked for: {named} and {doubt.revision}."
        raise ConfigError(what, hint="Give one of them.")
    return repo_id, named or doubt.revision or MAIN


def _of_repository(repo_id: str, revision: str, doubt: Doubt, progress: Progress) -> VerifiedCopy:
    if doubt.cache_dir is not None:
        return verify(_cached(repo_id, revision, expanded(doubt.cache_dir)), progress)
    tree = remote.tree(repo_id, revision)
    if tree is not None:
        with _empty_folder() as folder:
            return verify(HubCopy(tree, folder, doubt.download, progress), progress)
    if doubt.download:
        hint = "Without --download, what the cache has of it is verified."
        raise SourceError("The Hub cannot be reached.", repo_id, hint)
    found = verify(_cached(repo_id, revision, None), progress)
    served = Remark("hint", "The Hub cannot be reached: this is the copy in the cache.")
    return replace(found, remarks=(*found.remarks, served))


def _cached(repo_id: str, revision: str, cache: Path | None) -> Copy:
    folder = snapshot(repo_id, revision, cache)
    if folder is None:
        raise SourceError(
            f"The Hub cache has no {repo_id} at {revision}.",
            str(cache or default_cache() or ""),
            "Another cache: --cache-dir FOLDER",
        )
    return FolderCopy(folder)


def _as_published(published: Published, download: bool, progress: Progress) -> VerifiedCopy:
    """Compare a place with what a receipt says was published there."""
    repo_id, commit = published.repo_id, published.commit
    try:
        if published.cache_dir is not None:
            copy = _cached(repo_id, commit, published.cache_dir)
            return verify(copy, progress, published.files)
        tree = remote.tree(repo_id, commit, published.endpoint)
        if tree is None:
            where = f"{published.endpoint or ''}/{repo_id}".lstrip("/")
            raise SourceError("The Hub cannot be reached.", where, "Look at the network.")
        with _empty_folder() as folder:
            return verify(HubCopy(tree, folder, download, progress), progress, published.files)
    except SourceError as error:
        gone = Remark("problem", error.what, error.where, error.hint)
        return VerifiedCopy(f"{repo_id}, commit {commit}", None, None, (), (gone,))


@contextmanager
def _empty_folder() -> Iterator[Path]:
    """Give a folder for what is downloaded, removed afterwards; TMPDIR says on which disk."""
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        yield Path(folder)

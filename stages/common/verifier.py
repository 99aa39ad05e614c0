"""Is what lies where WHAT leads the release that it was? A receipt leads to all that it names."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.errors import SourceError
from pipeline.paths import expanded
from pipeline.sheet import Remark
from pipeline.stage import Progress
from stages.common.copies import FolderCopy
from stages.common.hub import remote
from stages.common.receipt import Published, read_receipt
from stages.common.remote_copies import AddressCopy, HubCopy
from stages.common.verification import VerifiedCopy, verify
from stages.common.whereabouts import (
    Whereabouts,
    cached,
    demand_plain,
    empty_folder,
    nothing_at,
    release_in,
    repository_of,
)


@dataclass(frozen=True)
class Doubt(Whereabouts):
    """What is asked.

    Attributes:
        download: whether everything is to be read, whatever a Hub says of it.
    """

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
        demand_plain(doubt)
        if path.is_file():
            published = read_receipt(path)
            return tuple(_as_published(one, doubt.download, progress) for one in published)
        return (verify(FolderCopy(release_in(path.absolute())), progress),)
    repo_id, revision = repository_of(doubt)
    if repo_id is not None:
        return (_of_repository(repo_id, revision, doubt, progress),)
    demand_plain(doubt)
    if "://" not in doubt.what:
        raise nothing_at(doubt.what)
    with empty_folder() as folder:
        return (verify(AddressCopy(doubt.what, folder, progress), progress),)


def _of_repository(repo_id: str, revision: str, doubt: Doubt, progress: Progress) -> VerifiedCopy:
    if doubt.cache_dir is not None:
        return verify(cached(repo_id, revision, expanded(doubt.cache_dir)), progress)
    tree = remote.tree(repo_id, revision)
    if tree is not None:
        with empty_folder() as folder:
            return verify(HubCopy(tree, folder, doubt.download, progress), progress)
    if doubt.download:
        hint = "Without --download, what the cache has of it is verified."
        raise SourceError("The Hub cannot be reached.", repo_id, hint)
    found = verify(cached(repo_id, revision, None), progress)
    served = Remark("hint", "The Hub cannot be reached: this is the copy in the cache.")
    return replace(found, remarks=(*found.remarks, served))


def _as_published(published: Published, download: bool, progress: Progress) -> VerifiedCopy:
    """Compare a place with what a receipt says was published there."""
    repo_id, commit = published.repo_id, published.commit
    try:
        if published.cache_dir is not None:
            copy = cached(repo_id, commit, published.cache_dir)
            return verify(copy, progress, published.files)
        tree = remote.tree(repo_id, commit, published.endpoint)
        if tree is None:
            where = f"{published.endpoint or ''}/{repo_id}".lstrip("/")
            raise SourceError("The Hub cannot be reached.", where, "Look at the network.")
        with empty_folder() as folder:
            return verify(HubCopy(tree, folder, download, progress), progress, published.files)
    except SourceError as error:
        gone = Remark("problem", error.what, error.where, error.hint)
        return VerifiedCopy(f"{repo_id}, commit {commit}", None, None, (), (gone,))

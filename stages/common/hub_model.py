"""A model on the Hub, brought here for a look: what a release needs anyway, and what is small."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pipeline.amounts import amount
from pipeline.errors import SourceError
from pipeline.layout import COMPRESSION, RELEASE_JSON, STATE_DICT
from pipeline.sheet import Remark
from pipeline.stage import Progress
from stages.common import hub

SMALL = 64 << 20
"""Bytes of a codec that is downloaded only to be looked at."""


def brought(
    repo_id: str, revision: str, progress: Progress
) -> tuple[tuple[Path, ...], tuple[Remark, ...]]:
    """Give a repository's files in the cache: the model, and the codec where that costs little.

    Raises:
        SourceError: when neither is there, or nothing can be downloaded.
    """
    remarks: tuple[Remark, ...] = ()
    try:
        files = [_fetch(repo_id, STATE_DICT, revision, progress)]
    except SourceError as missing:
        try:  # a codec published alone
            files = [_fetch(repo_id, COMPRESSION, revision, progress)]
        except SourceError:
            raise missing from None
    else:
        codec, remarks = _codec(repo_id, revision, progress)
        files += codec
    with suppress(SourceError):  # others publish without one
        files.append(hub.download(repo_id, RELEASE_JSON, revision))
    return tuple(files), remarks


def _fetch(repo_id: str, name: str, revision: str, progress: Progress) -> Path:
    total = None if hub.cached(repo_id, name, revision) else hub.size_of(repo_id, name, revision)
    with progress.task(f"{repo_id} {name}", total) as task:
        return hub.download(repo_id, name, revision, advance=task.advance)


def _codec(
    repo_id: str, revision: str, progress: Progress
) -> tuple[list[Path], tuple[Remark, ...]]:
    cached = hub.cached(repo_id, COMPRESSION, revision)
    size = None if cached else hub.size_of(repo_id, COMPRESSION, revision)
    if cached is None and size is None:
        return [], (Remark("hint", f"The repository shows no {COMPRESSION}."),)
    if size is not None and size > SMALL:
        what = f"{COMPRESSION} ({amount(size)}) was not downloaded just for this."
        return [], (Remark("hint", what),)
    return [_fetch(repo_id, COMPRESSION, revision, progress)], ()

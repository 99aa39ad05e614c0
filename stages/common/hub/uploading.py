"""Sending files that a commit will name: nothing of it is visible before that commit.

The client sends large files by Xet where it has ``hf_xet`` and does not ask whether the Hub speaks
it; a Hub that does not is then asked again by the older way, Git LFS.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from pipeline.errors import PushError
from pipeline.stage import Progress, Task
from stages.common.hub.failure import Failure, kinds
from stages.common.hub.repository import Repository, quiet


class Parcel(Protocol):
    """A file to send."""

    @property
    def name(self) -> str:
        """Its path in the repository."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def size(self) -> int:
        """In bytes."""

    @property
    def sha256(self) -> str:
        """Of its content, in hex, as known from when it was written."""


class _Watched(io.BufferedIOBase):
    """A file that tells how far it is read, and hashes what goes out.

    A retry reads parts again; they are told as steps back and hashed once.
    """

    def __init__(self, file: BinaryIO, advance: Callable[[int], None]) -> None:
        self._file, self._advance = file, advance
        self._told = self._hashed = 0
        self._hash = hashlib.sha256()

    def read(self, size: int | None = -1, /) -> bytes:
        start = self._file.tell()
        block = self._file.read(-1 if size is None else size)
        stop = start + len(block)
        self._advance(stop - self._told)
        self._told = stop
        if start <= self._hashed < stop:
            self._hash.update(block[self._hashed - start :])
            self._hashed = stop
        return block

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def differs(self, parcel: Parcel) -> bool:
        """Tell whether the whole file went out and was another one than announced."""
        return self._hashed == parcel.size and self._hash.hexdigest() != parcel.sha256


class _Sending:
    """How far one of the files is, told beside the amount of all of them."""

    def __init__(self, task: Task, parcel: Parcel) -> None:
        self._task, self._parcel = task, parcel
        self._done = self._share = 0

    def advance(self, step: int) -> None:
        self._done += step
        share = 100 * self._done // max(self._parcel.size, 1)
        if share != self._share:
            self._share = share
            self._task.say(f"{self._parcel.name} {share} %")
        self._task.advance(step)


@cache
def _operation() -> Any:
    """Give the client's operation that adds a file, watched while it is read."""
    from huggingface_hub import CommitOperationAdd

    class WatchedAdd(CommitOperationAdd):
        parcel: Parcel
        advance: Callable[[int], None]

        @contextmanager
        def as_file(self, with_tqdm: bool = False) -> Iterator[BinaryIO]:
            with self.parcel.path.open("rb") as file:
                if not with_tqdm:  # a small one, or the card, which the client looks at
                    yield file
                    return
                watched = _Watched(file, self.advance)
                yield watched  # type: ignore[misc]
            if watched.differs(self.parcel):
                raise _changed(self.parcel)

    return WatchedAdd


def _changed(parcel: Parcel) -> PushError:
    return PushError(
        f"{parcel.name} is not what SHA256SUMS says: it was changed after it was packaged.",
        str(parcel.path),
        "Have the release made again: force=package",
    )


def upload(
    repository: Repository,
    parcels: Sequence[Parcel],
    progress: Progress,
    *,
    revision: str,
    proposed: bool = False,
) -> list[Any]:
    """Send what the Hub does not have yet.

    Args:
        repository: where to.
        parcels: the files.
        progress: shows the bytes of the large ones.
        revision: the branch that they are meant for.
        proposed: whether they are meant for a pull request.

    Returns:
        The client's operations, for the commit that adds the files.

    Raises:
        PushError: when the Hub does not take them, or a file is not what it was.
    """
    with progress.task("send", sum(parcel.size for parcel in parcels)) as task:
        operations = [_add(parcel, _Sending(task, parcel).advance) for parcel in parcels]

        def send() -> None:
            with quiet():
                repository.api.preupload_lfs_files(
                    repository.repo_id,
                    operations,
                    revision=revision,
                    create_pr=proposed,
                    free_memory=False,
                )

        if parcels:
            task.say(", ".join(parcel.name for parcel in parcels))
            with repository.told():
                _with_or_without_xet(send, progress)
    for operation in operations:
        known = operation.parcel
        if operation.upload_info.is_hashed and operation.upload_info.sha256.hex() != known.sha256:
            raise _changed(known)
        operation.upload_info.sha256 = bytes.fromhex(known.sha256)
    return operations


def _add(parcel: Parcel, advance: Callable[[int], None]) -> Any:
    operation = _operation()(parcel.name, str(parcel.path))
    operation.parcel, operation.advance = parcel, advance
    if not _xet_is_used():
        # Xet computes it anyway while it reads; here it would take a pass over the file.
        operation.upload_info.sha256 = bytes.fromhex(parcel.sha256)
    return operation


def _xet_is_used() -> bool:
    from huggingface_hub import constants

    return find_spec("hf_xet") is not None and not constants.HF_HUB_DISABLE_XET


def _with_or_without_xet(send: Callable[[], None], progress: Progress) -> None:
    from huggingface_hub import constants

    if not _xet_is_used():
        send()
        return
    try:
        send()
    except kinds() as error:
        failure = Failure.of(error)
        if failure.status not in (None, 404):
            raise
        progress.note(f"Xet storage does not answer ({failure.reason}); sending by Git LFS")
        constants.HF_HUB_DISABLE_XET = True
        try:
            send()
        finally:
            constants.HF_HUB_DISABLE_XET = False

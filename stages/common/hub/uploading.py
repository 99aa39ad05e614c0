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
from pipeline.layout import SHA256SUMS
from pipeline.stage import Progress, Task
from stages.common.hub.client import quiet
from stages.common.hub.failure import Failure, kinds
from stages.common.hub.repository import Repository

_LONG = 100_000_000
"""Bytes that take long enough for somebody to ask how far it is."""


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
                try:
                    yield watched  # type: ignore[misc]
                finally:
                    # A Hub that notices refuses it, and says so in words that help nobody.
                    if watched.differs(self.parcel):
                        raise changed(self.parcel.name, self.parcel.path)

    return WatchedAdd


def changed(name: str, path: Path, by: str = SHA256SUMS) -> PushError:
    """Say that a file is not what it was when its digest was taken.

    Args:
        name: its path in the release.
        path: where it is.
        by: the list that has the digest.
    """
    return PushError(
        f"{name} is not what {by} says: it was changed after it was packaged.",
        str(path),
        "Nothing was published. Have the release made again: force=all",
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
        PushError: when the Hub does not take them, or would leave one out, or a file is not what it
            was.
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
                # After a refusal the client asks again by itself, after a broken connection only in
                # its newer versions.
                _with_or_without_xet(
                    operations,
                    lambda: repository.patience(lambda: _persistently(send), refusals=False),
                    repository.say,
                )
    for operation in operations:
        known = operation.parcel
        if operation.upload_info.is_hashed and operation.upload_info.sha256.hex() != known.sha256:
            raise changed(known.name, known.path)
    _tell_digests(operations)
    _demand_none_ignored(repository, revision, operations)
    return operations


def _demand_none_ignored(repository: Repository, revision: str, operations: list[Any]) -> None:
    """Refuse a commit that would hold less than the release: the client drops files silently."""
    ignored = [operation.parcel.name for operation in operations if operation._should_ignore]
    if ignored:
        raise PushError(
            f"The repository's .gitignore keeps out {', '.join(ignored)}.",
            f"{repository.url}/blob/{revision}/.gitignore",
            "Nothing was published. Change it there, then run the same command again.",
        )


def _add(parcel: Parcel, advance: Callable[[int], None]) -> Any:
    operation = _operation()(parcel.name, str(parcel.path))
    operation.parcel, operation.advance = parcel, advance
    return operation


def _tell_digests(operations: Sequence[Any]) -> None:
    """Give the client the digests that are known, so that it takes no pass over the files."""
    for operation in operations:
        operation.upload_info.sha256 = bytes.fromhex(operation.parcel.sha256)


def _xet_is_used() -> bool:
    from huggingface_hub import constants

    return find_spec("hf_xet") is not None and not constants.HF_HUB_DISABLE_XET


def _persistently(send: Callable[[], None]) -> None:
    """Send, and once more where only the storage refused a file.

    Its addresses end after a while, and when the answer that joins the parts of a file is lost, the
    client asks for it again and is refused. To ask the Hub anew what is missing helps in both.
    """
    try:
        send()
    except RuntimeError as error:
        if not 400 <= (Failure.of(error).status or 0) < 500:
            raise
        send()


def _with_or_without_xet(
    operations: Sequence[Any], send: Callable[[], None], say: Callable[[str], None]
) -> None:
    from huggingface_hub import constants

    if not _xet_is_used():
        _tell_digests(operations)
        send()
        return
    # Xet is not told the digests: it computes them while it reads, which shows a changed file.
    if sum(operation.parcel.size for operation in operations) >= _LONG:
        say("sending by Xet, which does not tell how far it is; HF_HUB_DISABLE_XET=1: by Git LFS")
    try:
        send()
    except kinds() as error:
        failure = Failure.of(error)
        # Xet's own errors are Python's; those of the network on the way to the Hub are not.
        of_xet = isinstance(error, ConnectionError | RuntimeError) and failure.status is None
        if failure.offline or not (of_xet or failure.status == 404):
            raise
        say(f"Xet did not work, sending by Git LFS ({failure.reason})")
        _tell_digests(operations)
        constants.HF_HUB_DISABLE_XET = True
        try:
            send()
        finally:
            constants.HF_HUB_DISABLE_XET = False

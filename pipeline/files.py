"""Putting files in place: the only module that renames, links and syncs.

Everything is written beside its final place first, "so that a kill leaves no half file".
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from pipeline.manifest import FileDigest

BUFFER = 1 << 20
"""Bytes per read; larger buffers measured slower."""


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def new_file(path: Path, buffering: int = -1) -> Iterator[BinaryIO]:
    """Give a file to write that takes the place of ``path`` at the end: whole, or not at all.

    Args:
        path: the file.
        buffering: that of ``open``.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb", buffering) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        replace_file(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def begin_to_sync(file: BinaryIO, begin: int, size: int) -> None:
    """Have the disk begin to write a part of a file, so that there is less to wait for at the end.

    Args:
        file: what was written to without a buffer.
        begin: where the part begins, in bytes.
        size: how many bytes it has.
    """
    if hasattr(os, "posix_fadvise"):
        # What is not on the disk yet, Linux does not drop but begins to write, and goes on.
        os.posix_fadvise(file.fileno(), begin, size, os.POSIX_FADV_DONTNEED)


def write_text(path: Path, text: str) -> None:
    """Write a small file so that it is whole or absent."""
    with new_file(path) as file:
        file.write(text.encode())


def replace_folder(ready: Path, final: Path) -> None:
    """Put a complete folder in place of whatever stands at ``final``."""
    aside = final.with_name(f"{final.name}.old")
    remove(aside)
    with suppress(FileNotFoundError):
        final.rename(aside)
    ready.rename(final)
    sync_folder(final.parent)
    remove(aside)


def replace_file(ready: Path, final: Path) -> None:
    """Put a complete file in place of whatever stands at ``final``."""
    ready.replace(final)
    sync_folder(final.parent)


def remove(path: Path) -> None:
    """Remove a file or folder; nothing happens when it is not there."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    else:
        with suppress(FileNotFoundError):
            shutil.rmtree(path)


def link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the disk cannot; symlinks stay symlinks."""
    if source.is_symlink():
        target.symlink_to(os.readlink(source))
        return
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        shutil.copyfile(source, target)


def link_tree(source: Path, target: Path) -> None:
    """Give every file below ``source`` a second name below ``target``."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.is_dir() and not path.is_symlink():
            link_tree(path, target / path.name)
        else:
            link(path, target / path.name)


def file_digest(path: Path, advance: Callable[[int], None] | None = None) -> FileDigest:
    """Hash a file; ``advance`` is told the bytes read."""
    hasher, size = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(BUFFER):
            hasher.update(block)
            size += len(block)
            if advance is not None:
                advance(len(block))
    return FileDigest(size, hasher.hexdigest())


def free_bytes(folder: Path) -> int:
    """Tell how many bytes still fit on the disk of ``folder`` or its nearest existing parent."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free

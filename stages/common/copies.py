"""A copy of a release, wherever it lies, as whoever verifies it sees it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stages.common.afar import Ranged

_FOREIGN = (".git", ".cache/huggingface")
"""Folders that git, or the Hub's client, keeps inside of what it downloads."""


@dataclass(frozen=True)
class Held:
    """A file of a copy.

    Attributes:
        size: in bytes.
        path: where it can be read; ``None`` for one that stays where it is.
        sha256: its digest in hex, at the word of who keeps it; known where there is no path.
        ranged: reads a part of it; there where there is no path.
    """

    size: int
    path: Path | None
    sha256: str = ""
    ranged: Ranged | None = None


class Copy(Protocol):
    """A copy of a release.

    Attributes:
        place: where it is, for people.
        keeper: whose word its digests are, for people.
        sizes: bytes of all files in it, by name; ``None`` where nobody tells.
    """

    place: str
    keeper: str
    sizes: Mapping[str, int] | None

    def held(self, name: str, whole: bool = False) -> Held | None:
        """Give a file; ``None`` when it is not there.

        Args:
            name: its path in the release, one that leads nowhere else.
            whole: whether it is to be read, and not just its digest to be known.

        Raises:
            SourceError: when it cannot be had.
        """


class FolderCopy:
    """A copy in a folder, as it is or as a Hub cache's snapshot full of symlinks."""

    keeper = ""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it need not be there."""
        self.folder, self.place = folder, str(folder)
        paths = {name: folder / name for name in _names(folder)}
        self.sizes: Mapping[str, int] | None = {
            name: path.stat().st_size if path.exists() else 0 for name, path in paths.items()
        }

    def held(self, name: str, whole: bool = False) -> Held | None:
        """Give a file; see `Copy.held`."""
        path = self.folder / name
        return Held(path.stat().st_size, path) if path.is_file() else None


class FileCopy:
    """One file by itself."""

    keeper = ""

    def __init__(self, path: Path) -> None:
        """Take the file."""
        self.path, self.place = path, str(path)
        self.sizes: Mapping[str, int] | None = {path.name: path.stat().st_size}

    def held(self, name: str, whole: bool = False) -> Held | None:
        """Give the file; see `Copy.held`."""
        return Held(self.path.stat().st_size, self.path) if name == self.path.name else None


def _names(folder: Path) -> Iterator[str]:
    """Give what is below a folder and no folder itself, or a link to one."""
    for parent, folders, names in os.walk(folder):
        here = Path(parent).relative_to(folder)
        links = (name for name in folders if (folder / here / name).is_symlink())
        yield from ((here / name).as_posix() for name in (*names, *links))
        folders[:] = (name for name in folders if (here / name).as_posix() not in _FOREIGN)

"""The loading order: what AudioCraft's loaders make of a name, and everyone here too.

1. an existing file;
2. an existing folder: the file of a fixed name in it;
3. an https:// address: one file, no name is appended;
4. otherwise a Hub id: the file of that name in the repository.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pipeline.errors import SourceError
from pipeline.layout import Outputs
from pipeline.paths import expanded
from stages.common import downloads, hub

ENDINGS = (".th", ".pt", ".bin", ".ckpt", ".pth", ".safetensors")
"""What a file of weights ends in; a Hub id seldom does."""


@dataclass(frozen=True)
class Place:
    """Where a name leads.

    Attributes:
        kind: ``file`` (also in a folder), ``url`` or ``hub``.
        name: the path, the address or the Hub id.
        path: the file, where it is on this machine already.
    """

    kind: Literal["file", "url", "hub"]
    name: str
    path: Path | None


def find(what: str, *, file_name: str, folder: Path | None = None) -> Place:
    """Tell where a name leads, without asking the network.

    Args:
        what: a path, an https:// address or a Hub id.
        file_name: the file in a folder or in a repository.
        folder: where downloads from addresses are kept; by default the user's cache.

    Raises:
        ConfigError: for an address that is not https://.
        SourceError: when it leads nowhere; names what is near.
    """
    path = expanded(what)
    if what and path.is_file():
        return Place("file", str(path), path)
    if what and path.is_dir():
        return Place("file", str(path), in_folder(path, file_name))
    if "://" in what:
        downloads.demand_https(what)
        kept = downloads.place_of(what, folder or _own_downloads())
        return Place("url", what, kept if kept.is_file() else None)
    if hub.is_repo_id(what) and not what.endswith(ENDINGS):
        return Place("hub", what, hub.cached(what, file_name))
    raise SourceError(
        f"There is nothing at {what!r}: no file, no folder, no https:// URL, no Hub id.",
        str(path.absolute()) if what else "",
        near_files(path),
    )


def resolve(
    what: str,
    *,
    file_name: str,
    revision: str = "main",
    folder: Path | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Path:
    """Give the file that a name leads to, having downloaded it where it must be.

    Args:
        what: a path, an https:// address or a Hub id.
        file_name: the file in a folder or in a repository.
        revision: of a repository.
        folder: where downloads from addresses are kept; by default the user's cache.
        advance: told the bytes that arrive.

    Raises:
        ConfigError: for an address that is not https://.
        SourceError: when it leads nowhere, or cannot be downloaded.
    """
    place = find(what, file_name=file_name, folder=folder)
    if place.kind == "hub":  # also where it is cached: a branch may have moved since
        return hub.download(place.name, file_name, revision, advance=advance)
    if place.path is not None:
        return place.path
    return downloads.fetch(place.name, folder or _own_downloads(), advance=advance)


def demand_file(path: Path, file_name: str) -> Path:
    """Give a path back, having made sure that it is a file.

    Raises:
        SourceError: when it is a folder, or not there; names what is near.
    """
    if path.is_file():
        return path
    if path.is_dir():
        there = [name for name in (file_name, "checkpoint.th") if (path / name).is_file()]
        hint = f"Did you mean {path / there[0]}?" if there else "Give the file in it."
        raise SourceError("A folder is where the checkpoint should be.", str(path), hint)
    raise SourceError("The checkpoint is not there.", str(path.absolute()), near_files(path))


def in_folder(folder: Path, file_name: str) -> Path:
    """Give a file in a folder.

    Raises:
        SourceError: when it is not there; names what is.
    """
    path = folder / file_name
    if path.is_file():
        return path
    there = sorted(p.name for p in folder.iterdir() if p.suffix in ENDINGS)
    hint = f"There is {', '.join(there[:4])}: name the file itself." if there else ""
    raise SourceError(f"The folder has no {file_name}.", str(folder), hint)


def near_files(path: Path) -> str:
    """Give a hint that names files like one that is not there."""
    parent = path.parent
    while not parent.is_dir() and parent != parent.parent:
        parent = parent.parent
    if parent != path.parent:
        return f"The path ends at {parent.absolute()}."
    try:
        names = sorted(os.listdir(parent))
    except OSError:
        return ""
    near = get_close_matches(path.name, names, n=2)
    return f"Did you mean {' or '.join(str(parent / name) for name in near)}?" if near else ""


def downloads_in(outputs: Outputs) -> Path:
    """Give the folder of downloads that all runs in one outputs folder share."""
    return outputs.root / "downloads"


def _own_downloads() -> Path:
    """Give the user's folder of downloads, for whoever has no outputs folder at hand."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "audiocraft-release-pipeline" / "downloads"

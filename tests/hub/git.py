"""Git's names for things, so that a client that recomputes them gets what the Hub says.

Sources: "Git Objects" of the Pro Git book for blobs, trees and commits; version 1 of the git-lfs
specification for the pointer that stands in a repository for a large file.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class File:
    """One file of a tree.

    Attributes:
        oid: git's name of what the repository itself holds: the content, or the pointer to it.
        size: bytes of the content, never of the pointer.
        sha256: of the content of a large file; ``None`` for a regular one.
    """

    oid: str
    size: int
    sha256: str | None = None

    @property
    def etag(self) -> str:
        """What a client compares its own copy with, and caches it under."""
        return self.sha256 or self.oid


def regular(content: bytes) -> File:
    """Give the file that git keeps itself."""
    return File(_object_id("blob", content), len(content))


def large(sha256: str, size: int) -> File:
    """Give the file that large-file storage keeps."""
    return File(_object_id("blob", pointer(sha256, size)), size, sha256)


def pointer(sha256: str, size: int) -> bytes:
    """Give the text that stands in the repository for a large file."""
    head = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\n"
    return f"{head}size {size}\n".encode()


def folders(files: Mapping[str, File]) -> dict[str, str]:
    """Give every folder with the id of its tree; the root is the empty text."""
    inside: dict[str, dict[bytes, bytes]] = defaultdict(dict)
    inside[""] = {}
    for path, file in files.items():
        folder, _, name = path.rpartition("/")
        inside[folder][name.encode()] = _line("100644", name, file.oid)
        while folder:
            folder = folder.rpartition("/")[0]
            inside.setdefault(folder, {})
    ids: dict[str, str] = {}
    for folder in sorted(inside, key=lambda path: (path.count("/") + bool(path), path))[::-1]:
        lines = (line for _, line in sorted(inside[folder].items()))
        ids[folder] = _object_id("tree", b"".join(lines))
        if folder:
            parent, _, name = folder.rpartition("/")
            # Git sorts a folder as if its name ended in a slash.
            inside[parent][f"{name}/".encode()] = _line("40000", name, ids[folder])
    return ids


def commit_id(tree: str, parent: str | None, author: str, when: datetime, message: str) -> str:
    """Give the name of a commit."""
    person = f"{author} <{author}@users.noreply.huggingface.co> {int(when.timestamp())} +0000"
    lines = [f"tree {tree}", *([f"parent {parent}"] if parent else [])]
    lines += [f"author {person}", f"committer {person}", "", f"{message}\n"]
    return _object_id("commit", "\n".join(lines).encode())


def _line(mode: str, name: str, oid: str) -> bytes:
    return f"{mode} {name}\0".encode() + bytes.fromhex(oid)


def _object_id(kind: str, content: bytes) -> str:
    head = f"{kind} {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()

"""Large-file storage of one repository: what a bucket behind a content network is to the Hub.

Objects are named by their sha256 and come whole or not at all: in one piece ("basic") or in parts.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import uuid4

from tests.hub.refusals import RefusalError


class LargeFiles:
    """The large objects of a repository."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made when something arrives."""
        self.folder = folder

    def path(self, sha256: str) -> Path:
        return self.folder / sha256

    def size(self, sha256: str) -> int | None:
        """Give an object's bytes; ``None`` when it is not there."""
        path = self.path(sha256)
        return path.stat().st_size if path.is_file() else None

    def receive(self, sha256: str, blocks: Iterable[bytes]) -> None:
        """Keep an object that comes in one piece.

        Raises:
            RefusalError: when it is not what its name says.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        arriving = self.folder / f".{uuid4().hex}"
        hasher = hashlib.sha256()
        try:
            with arriving.open("wb") as file:
                for block in blocks:
                    hasher.update(block)
                    file.write(block)
            if hasher.hexdigest() != sha256:
                raise RefusalError(400, f"The content is not {sha256}.")
            arriving.replace(self.path(sha256))
        finally:
            arriving.unlink(missing_ok=True)

    def receive_part(self, sha256: str, number: int, blocks: Iterable[bytes]) -> str:
        """Keep one part of an object; give the tag to name it by when all have come."""
        folder = self._parts(sha256)
        folder.mkdir(parents=True, exist_ok=True)
        content = b"".join(blocks)
        (folder / str(number)).write_bytes(content)
        return _tag(content)

    def complete(self, sha256: str, tags: dict[int, str]) -> None:
        """Put an object together from its parts.

        Args:
            sha256: of the whole.
            tags: what `receive_part` gave, by number from 1.

        Raises:
            RefusalError: when a part is missing or another one, or the whole is not its name.
        """
        folder = self._parts(sha256)

        def blocks() -> Iterator[bytes]:
            for number in range(1, len(tags) + 1):
                part = folder / str(number)
                content = part.read_bytes() if part.is_file() else b""
                if tags.get(number) != _tag(content):
                    raise RefusalError(400, f"Part {number} is missing, or is another one.")
                yield content

        self.receive(sha256, blocks())
        shutil.rmtree(folder)

    def _parts(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.parts"


def _tag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'

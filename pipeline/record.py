"""``stage.json``: what a finished stage left, and whether it still stands.

Law: ``StageRecord.from_json(record.to_json()) == record``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.layout import STAGE_JSON
from pipeline.manifest import FileDigest, digest, pretty
from pipeline.stage import Facts, Record

FORMAT = 1


@dataclass(frozen=True)
class FileStamp:
    """A file as it was when its stage ended: content, and what the disk said about it.

    Attributes:
        size: in bytes; of a symlink, 0.
        sha256: in hex; of a symlink, empty: what it points to is the stage's business.
        mtime_ns: modification time in nanoseconds.
        inode: the file's number on its disk.
    """

    size: int
    sha256: str
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path, known: FileDigest | None = None) -> FileStamp:
        """Stamp a file, hashing it only when its digest is not known yet."""
        if path.is_symlink():
            return cls(0, "", 0, 0)
        stat = path.stat()
        content = known or files.file_digest(path)
        return cls(content.size, content.sha256, stat.st_mtime_ns, stat.st_ino)

    def matches(self, path: Path) -> bool:
        """Tell whether the file still has the stamped content; read it only when touched."""
        if not path.exists():
            return False
        if path.is_symlink():
            return not self.sha256
        stat = path.stat()
        if stat.st_size != self.size:
            return False
        if (stat.st_mtime_ns, stat.st_ino) == (self.mtime_ns, self.inode):
            return True
        return files.file_digest(path).sha256 == self.sha256


@dataclass(frozen=True)
class StageRecord:
    """The content of a ``stage.json``.

    Attributes:
        stage: the stage's name.
        key: sha256 over the ingredients.
        ingredients: what shaped the output: name, version, the stage's own key, input digests.
        record: what the stage tells later ones.
        files: stamps by path below the stage's output folder.
    """

    stage: str
    key: str
    ingredients: Facts
    record: Record
    files: Mapping[str, FileStamp]

    @property
    def digest(self) -> str:
        """The sha256 that later stages depend on: facts and file contents, nothing local."""
        contents = {name: [stamp.size, stamp.sha256] for name, stamp in self.files.items()}
        return digest({"facts": dict(self.record.facts), "files": contents})

    @property
    def size(self) -> int:
        """The bytes that the stage left."""
        return sum(stamp.size for stamp in self.files.values())

    def intact(self, output: Path) -> bool:
        """Tell whether every file is still there as it was left."""
        return all(stamp.matches(output / name) for name, stamp in self.files.items())

    def to_json(self) -> str:
        """Write the record."""
        return pretty(
            {
                "format": FORMAT,
                "stage": self.stage,
                "key": self.key,
                "ingredients": self.ingredients,
                "facts": self.record.facts,
                "local": self.record.local,
                "warnings": list(self.record.warnings),
                "files": {name: vars(stamp) for name, stamp in self.files.items()},
            }
        )

    @classmethod
    def from_json(cls, text: str) -> StageRecord:
        """Read a record back.

        Raises:
            ValueError, KeyError or TypeError: when the text is no record of this format.
        """
        content: dict[str, Any] = json.loads(text)
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']} is not {FORMAT}")
        stamps = {name: FileStamp(**stamp) for name, stamp in content["files"].items()}
        known = {name: FileDigest(s.size, s.sha256) for name, s in stamps.items() if s.sha256}
        record = Record(content["facts"], content["local"], known, tuple(content["warnings"]))
        return cls(content["stage"], content["key"], content["ingredients"], record, stamps)


def read_record(path: Path) -> StageRecord | None:
    """Give the record at ``path``; ``None`` when the stage is not done or its record is spoilt."""
    try:
        return StageRecord.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def stamp_folder(folder: Path, known: Mapping[str, FileDigest]) -> dict[str, FileStamp]:
    """Stamp every file below ``folder``; digests in ``known`` are taken, not computed again."""
    stamps: dict[str, FileStamp] = {}
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            name = path.relative_to(folder).as_posix()
            if name != STAGE_JSON:
                stamps[name] = FileStamp.of(path, known.get(name))
    return dict(sorted(stamps.items()))

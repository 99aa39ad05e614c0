"""What is sent: the files of a release with the digests that the Hub knows them by.

The Hub keeps a binary file in large-file storage, named by its sha256, and a text as a git blob,
named by git's sha1. Only what belongs to a release is listed, whatever else lies in the folder:
what SHA256SUMS names, the card, and the samples that samples.json names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline import files
from pipeline.errors import PushError
from pipeline.layout import CARD, SAMPLES, SHA256SUMS, ReleaseFolder
from pipeline.manifest import parse_sums
from stages.common.claims import SAMPLES_JSON, claims_in, is_inside, manifest_in
from stages.common.hub.contents import HeldFile
from stages.common.hub.uploading import changed

BINARY = frozenset(
    {".bin", ".pt", ".th", ".safetensors", ".wav", ".flac", ".mp3", ".ogg", ".png", ".jpg"}
)


@dataclass(frozen=True)
class SentFile:
    """One file of a release.

    Attributes:
        name: its path in the repository, with slashes.
        path: where it is.
        size: in bytes.
        sha256: of its content, in hex.
    """

    name: str
    path: Path
    size: int
    sha256: str

    @property
    def binary(self) -> bool:
        """Whether the Hub keeps it in large-file storage."""
        return self.path.suffix.lower() in BINARY

    @property
    def git_blob(self) -> str:
        """The git id of what the repository itself holds: the text, or the pointer to the bytes."""
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\n"
        text = f"{pointer}size {self.size}\n".encode() if self.binary else self.path.read_bytes()
        return _git_id(text)

    @property
    def etag(self) -> str:
        """The name under which Hub clients cache it."""
        return self.sha256 if self.binary else self.git_blob

    def is_held(self, other: HeldFile) -> bool:
        """Tell whether a repository's file has this content, in whichever way it is kept there."""
        if other.size != self.size:
            return False
        if other.sha256 is not None:
            return other.sha256 == self.sha256
        return other.blob == _git_id(self.path.read_bytes())


def list_release(release: ReleaseFolder) -> tuple[SentFile, ...]:
    """Give the files of a release, sorted by name; weights are not read again, texts are.

    Raises:
        PushError: when a file that a list names is missing, or a text or a sample is not what it
            says.
        FormatError: when samples.json cannot be read.
    """
    try:
        sums = parse_sums(release.sums.read_text("utf-8"))
        found = [*_listed(release, sums), *_others(release)]
    except FileNotFoundError as error:
        raise PushError(
            "The release is not complete.",
            f"{error.filename} is missing.",
            "Have it made again: force=package",
        ) from error
    return tuple(sorted(found, key=lambda file: file.name))


def text_size(size: int) -> str:
    """Give a size for people, in powers of ten as the Hub shows it."""
    number = float(size)
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.2f} GB"


def _git_id(content: bytes) -> str:
    head = b"blob %d\0" % len(content)
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


def _listed(release: ReleaseFolder, sums: dict[str, str]) -> Iterator[SentFile]:
    for name, sha256 in sums.items():
        path = release.root / name
        file = SentFile(name, path, path.stat().st_size, sha256)
        # The Hub names a text by git's id, which would be that of whatever is on the disk now.
        if not file.binary and files.file_digest(path).sha256 != sha256:
            raise changed(name, path)
        yield file


def _others(release: ReleaseFolder) -> Iterator[SentFile]:
    samples = dict(_samples(release))
    for name in (SHA256SUMS, CARD, *([SAMPLES_JSON] if samples else []), *samples):
        path = release.root / name
        digest = files.file_digest(path)
        if digest.sha256 != samples.get(name, digest.sha256):
            raise changed(name, path, SAMPLES_JSON)
        yield SentFile(name, path, digest.size, digest.sha256)


def _samples(release: ReleaseFolder) -> Iterator[tuple[str, str]]:
    """Give the names and the sha256 of the samples that were packaged."""
    listing = release.root / SAMPLES_JSON
    if not listing.is_file():
        return
    for name, claim in claims_in(
        SAMPLES_JSON, manifest_in(listing.read_bytes(), SAMPLES_JSON)["files"]
    ):
        if claim is None or not is_inside(name):
            raise PushError(
                f"{SAMPLES_JSON} lists {name!r}, which is no sample with a size and a sha256.",
                str(listing),
                "Nothing was published. Have the release made again: force=all",
            )
        yield f"{SAMPLES}/{name}", claim.sha256

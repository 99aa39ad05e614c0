"""What a release says of its own files: SHA256SUMS, release.json and samples/samples.json.

Each is believed only where the files bear it out, and their names only where they stay inside the
folder: whoever changed a file may have changed these too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from pipeline.errors import FormatError
from pipeline.layout import CARD, RELEASE_JSON, SAMPLES, SAMPLES_LIST, SHA256SUMS
from pipeline.manifest import parse_sums
from pipeline.sheet import Remark

SAMPLES_JSON = f"{SAMPLES}/{SAMPLES_LIST}"

SIGNATURES = (f"{SHA256SUMS}.sig", "model.sig")
"""Of the list, and of the folder, where docs/signing.md puts them."""

OUTSIDE = frozenset({CARD, SHA256SUMS, SAMPLES_JSON, ".gitattributes", *SIGNATURES})
"""What no list of a release has in it; ``.gitattributes`` is the Hub's."""

MAX_TEXT = 16 << 20
"""Bytes of a list that is read; that of seven thousand files takes one."""

ANEW = "make the release again, or get the folder again from where it was published"

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Claim:
    """What one list says of a file.

    Attributes:
        by: the list.
        sha256: in hex.
        size: in bytes; ``None`` where the list has none.
    """

    by: str
    sha256: str
    size: int | None = None


@dataclass
class Claims:
    """What all lists of a release say.

    Attributes:
        by_name: the claims about each file.
        remarks: what is wrong with the lists themselves.
        name: of the release.
        version: of the release.
    """

    by_name: dict[str, list[Claim]] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    name: str | None = None
    version: str | None = None

    def add(self, name: str, claim: Claim) -> None:
        """Take down a claim, unless its name leads out of the folder."""
        if is_inside(name):
            self.by_name.setdefault(name, []).append(claim)
        else:
            what = f"{claim.by} lists {name!r}, which is no name of a file in a release."
            self._complain(what, "trust nothing of it: the lists were made or changed by hand")

    def read(self, texts: Callable[[str], bytes | None]) -> None:
        """Read the lists, and compare them with each other.

        Args:
            texts: gives a file of the release; ``None`` where there is none.

        Raises:
            FormatError: as ``texts``.
        """
        sums, manifest = texts(SHA256SUMS), texts(RELEASE_JSON)
        if sums is None and manifest is None:
            if not self.by_name:
                what = f"There is no {SHA256SUMS} and no {RELEASE_JSON}: nothing tells what it was."
                self._complain(what)
            return
        listed = self._manifest(manifest)
        summed = self._sums(sums)
        if listed is not None and summed is not None:
            self._agree(listed, summed)
        samples = texts(SAMPLES_JSON)
        if samples is not None:
            self._samples(samples)

    def _manifest(self, content: bytes | None) -> Mapping[str, Claim] | None:
        if content is None:
            self._complain(f"{RELEASE_JSON} is missing.")
            return None
        try:
            manifest = manifest_in(content)
        except FormatError as error:
            self._complain(error.what)
            return None
        self.name, self.version = (_text(manifest.get(key)) for key in ("name", "version"))
        return self._files(RELEASE_JSON, manifest["files"])

    def _sums(self, content: bytes | None) -> Mapping[str, Claim] | None:
        if content is None:
            self._complain(f"{SHA256SUMS} is missing.")
            return None
        try:
            sums = parse_sums(content.decode())
        except (FormatError, UnicodeDecodeError) as error:
            self._complain(f"{SHA256SUMS} cannot be read: {error}")
            return None
        claims = {name: Claim(SHA256SUMS, sha256) for name, sha256 in sums.items()}
        for name, claim in claims.items():
            self.add(name, claim)
        return claims

    def _samples(self, content: bytes) -> None:
        try:
            samples = manifest_in(content, SAMPLES_JSON)
        except FormatError:
            what = f"{SAMPLES_JSON} gives no digests: the samples were not compared."
            self.remarks.append(Remark("hint", what))
            return
        self._files(SAMPLES_JSON, samples["files"], f"{SAMPLES}/")

    def _files(self, by: str, files: Mapping[str, Any], folder: str = "") -> dict[str, Claim]:
        claims = {}
        for name, claim in claims_in(by, files):
            if claim is None:
                self._complain(f"{by} gives no size and sha256 for {name}.")
                continue
            claims[name] = claim
            self.add(folder + name, claim)
        return claims

    def _agree(self, listed: Mapping[str, Claim], summed: Mapping[str, Claim]) -> None:
        """Compare release.json with SHA256SUMS."""
        for what in one_sided(listed, summed):
            self._complain(what)
        for name in sorted(listed.keys() & summed.keys()):
            if listed[name].sha256 != summed[name].sha256:
                self._complain(f"{SHA256SUMS} and {RELEASE_JSON} give two digests for {name}.")

    def _complain(self, what: str, remedy: str = ANEW) -> None:
        self.remarks.append(Remark("problem", what, remedy=remedy))


def one_sided(listed: Collection[str], summed: Collection[str]) -> Iterator[str]:
    """Say which files only one of the two lists has.

    Args:
        listed: the names in release.json.
        summed: those in SHA256SUMS, which lists release.json too.
    """
    for name in sorted({*listed, RELEASE_JSON} ^ set(summed)):
        lists = (SHA256SUMS, RELEASE_JSON)
        there, other = lists if name in summed else reversed(lists)
        yield f"{name} is in {there}, but not in {other}."


def is_inside(name: str) -> bool:
    """Tell whether a name can only mean a file below the folder that it is listed in."""
    parts = name.split("/")
    plain = name.isprintable() and "\\" not in name and not PurePosixPath(name).is_absolute()
    return plain and not any(part in ("", ".", "..") for part in parts)


def manifest_in(content: bytes, name: str = RELEASE_JSON) -> Mapping[str, Any]:
    """Read a JSON document that lists files.

    Raises:
        FormatError: when it is none.
    """
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0][:80]
        raise FormatError(f"{name} cannot be read: {reason}.") from error
    if not isinstance(manifest, Mapping) or not isinstance(manifest.get("files"), Mapping):
        raise FormatError(f"{name} lists no files.")
    return manifest


def claims_in(by: str, files: Mapping[str, Any]) -> Iterator[tuple[str, Claim | None]]:
    """Give the claims of ``{name: {size, sha256}}``; ``None`` for an entry that is none."""
    for name, entry in files.items():
        values = entry if isinstance(entry, Mapping) else {}
        size, sha256 = values.get("size"), values.get("sha256")
        if type(size) is int and isinstance(sha256, str) and _SHA256.fullmatch(sha256):
            yield name, Claim(by, sha256, size)
        else:
            yield name, None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None

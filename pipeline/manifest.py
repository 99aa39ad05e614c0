"""Canonical JSON, digests of files, and the SHA256SUMS file.

Law: ``parse_sums(format_sums(digests)) == digests`` in sorted order, and ``sha256sum -c`` takes it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import FormatError

_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


@dataclass(frozen=True, order=True)
class FileDigest:
    """Size in bytes and sha256 in hex of one file."""

    size: int
    sha256: str


def canonical(value: Any) -> bytes:
    """Give the one JSON text of a value: sorted keys, no spaces, UTF-8, no NaN."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def pretty(value: Any) -> str:
    """Give JSON for files that people read too: sorted keys, two spaces, a final newline."""
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def digest(value: Any) -> str:
    """Give the sha256, in hex, of a value's canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


def format_sums(digests: Mapping[str, FileDigest]) -> str:
    """Write the lines of SHA256SUMS, sorted by name."""
    return "".join(f"{digests[name].sha256}  {name}\n" for name in sorted(digests))


def parse_sums(text: str) -> dict[str, str]:
    """Read SHA256SUMS: sha256 in hex by file name.

    Raises:
        FormatError: when a line is not ``<64 hex digits>  <name>``, or a name is there twice.
    """
    sums: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise FormatError(f"Line {number} of SHA256SUMS is not a digest and a name.")
        if match[2] in sums:
            raise FormatError(f"Line {number} of SHA256SUMS names {match[2]} again.")
        sums[match[2]] = match[1]
    return sums

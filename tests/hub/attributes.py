"""Which files are large, and which are ignored: `.gitattributes` and `.gitignore`.

The Hub, not the client, decides both: by patterns, by size, and by whether the first bytes are
text. A large file that no pattern covers gets a line of its own in `.gitattributes`.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable

FIRST_PATTERNS = (
    "*.7z *.arrow *.bin *.bz2 *.ckpt *.ftz *.gz *.h5 *.joblib *.lfs.* *.mlmodel *.model *.msgpack"
    " *.npy *.npz *.onnx *.ot *.parquet *.pb *.pickle *.pkl *.pt *.pth *.rar *.safetensors"
    " saved_model/**/* *.tar.* *.tar *.tflite *.tgz *.wasm *.xz *.zip *.zst *tfevents*"
)

LARGE = 10 * 1024 * 1024
"""Bytes from which on a file is large whatever is in it."""

_SUFFIX = " filter=lfs diff=lfs merge=lfs -text\n"

FIRST = "".join(pattern + _SUFFIX for pattern in FIRST_PATTERNS.split())
"""The `.gitattributes` that the Hub puts into a new model repository, byte for byte."""


def is_large(path: str, size: int, sample: bytes, attributes: str) -> bool:
    """Tell whether a file belongs into large-file storage.

    Args:
        path: in the repository.
        size: in bytes.
        sample: its first bytes, 512 at most.
        attributes: the text of `.gitattributes`.
    """
    # Nobody can upload an empty object.
    if size == 0:
        return False
    return size > LARGE or not _is_text(sample) or is_covered(path, attributes)


def is_covered(path: str, attributes: str) -> bool:
    """Tell whether `.gitattributes` sends a path to large-file storage."""
    lines = (line.split() for line in attributes.splitlines())
    patterns = (words[0] for words in lines if "filter=lfs" in words)
    return any(_matches(pattern, path) for pattern in patterns)


def with_covered(paths: Iterable[str], attributes: str) -> str:
    """Give `.gitattributes` with a line for each large file that had none."""
    new = (path for path in paths if not is_covered(path, attributes))
    return attributes + "".join(re.sub(r"\s", "[[:space:]]", path) + _SUFFIX for path in new)


def is_ignored(path: str, ignore: str) -> bool:
    """Tell whether `.gitignore` keeps a path out; its last word on a path counts."""
    ignored = False
    for line in ignore.splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        if _matches(pattern.removeprefix("!"), path):
            ignored = not pattern.startswith("!")
    return ignored


def _is_text(sample: bytes) -> bool:
    if b"\0" in sample:
        return False
    try:
        # The sample may end within a character.
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _matches(pattern: str, path: str) -> bool:
    """Tell whether git's pattern names a path or a folder that it is in."""
    anchored = "/" in pattern.rstrip("/")
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[\[:space:\]\])", pattern.strip("/"))
    meant = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]", "[[:space:]]": r"\s"}
    expression = "".join(meant.get(part, re.escape(part)) for part in parts)
    start = "" if anchored else "(?:.*/)?"
    end = "/.*" if pattern.endswith("/") else "(?:/.*)?"
    return re.fullmatch(start + expression + end, path) is not None

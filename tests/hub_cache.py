"""A Hub cache made by hand, in the layout of huggingface_hub."""

from __future__ import annotations

import hashlib
from pathlib import Path


def write_cached(cache: Path, repo_id: str, *files: Path, revision: str = "main") -> str:
    """Put files into a repository of the cache; give the commit."""
    root = cache / "--".join(["models", *repo_id.split("/")])
    contents = {path.name: path.read_bytes() for path in files}
    commit = hashlib.sha1(repr(sorted(contents.items())).encode()).hexdigest()
    snapshot = root / "snapshots" / commit
    for folder in (root / "blobs", root / "refs", snapshot):
        folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        blob = root / "blobs" / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        (snapshot / name).symlink_to(Path("../../blobs") / blob.name)
    (root / "refs" / revision).write_text(commit)
    return commit

"""Hub caches: which one is used, and where a repository's files are in one.

::

    models--ORG--NAME/
      refs/REVISION            the commit, without a newline
      snapshots/COMMIT/NAME    the files
"""

from __future__ import annotations

import os
from pathlib import Path

from stages.common.hub.names import is_commit


def default_cache() -> Path | None:
    """Give the cache that AudioCraft was told to use; ``None`` for huggingface_hub's own."""
    folder = os.environ.get("AUDIOCRAFT_CACHE_DIR")
    return Path(folder) if folder else None


def folder_name(repo_id: str) -> str:
    """Give the name of a repository's folder.

    Args:
        repo_id: ``org/name``, or a name of old like ``t5-base``.
    """
    return "--".join(["models", *repo_id.split("/")])


def snapshot(repo_id: str, revision: str = "main", cache_dir: Path | None = None) -> Path | None:
    """Give the folder from which a revision is served without a network.

    Args:
        repo_id: ``org/name``, or a name of old like ``t5-base``.
        revision: a branch, a tag or a commit.
        cache_dir: the Hub cache; by default the one that AudioCraft, or the Hub's client, uses.
    """
    root = (cache_dir or default_cache() or _of_the_client()) / folder_name(repo_id)
    try:
        commit = (root / "refs" / revision).read_text("utf-8", "replace")
    except (OSError, ValueError):  # no such name, or one that no file can have
        commit = revision
    folder = root / "snapshots" / commit
    return folder if is_commit(commit) and folder.is_dir() else None


def commit_of(path: Path) -> str | None:
    """Give the commit that a file in a Hub cache belongs to: ``snapshots/<COMMIT>/NAME``."""
    folders = zip(path.parts, path.parts[1:], strict=False)
    found = [name for folder, name in folders if folder == "snapshots" and is_commit(name)]
    return found[-1] if found else None


def _of_the_client() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)

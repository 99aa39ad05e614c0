"""Files of an earlier commit, put back by the Hub itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def copies(paths: Sequence[str], commit: str) -> list[Any]:
    """Give the client's operations that restore files; large ones are not sent.

    Args:
        paths: of the files.
        commit: that has them.
    """
    from huggingface_hub import CommitOperationCopy

    return [CommitOperationCopy(path, path, src_revision=commit) for path in paths]

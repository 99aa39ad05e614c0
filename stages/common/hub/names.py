"""What the Hub calls things: a repository, its first branch, a commit."""

from __future__ import annotations

import re

MAIN = "main"
"""The branch that a repository has from the start."""

_REPO_ID = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
_ILLEGAL = re.compile(r"--|\.\.|[.-](?:/|$)|\.git$")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def is_repo_id(text: str) -> bool:
    """Tell whether a text has the form of a repository's id, ``org/name``."""
    return bool(_REPO_ID.fullmatch(text)) and not _ILLEGAL.search(text)


def is_commit(text: str) -> bool:
    """Tell whether a text has the form of a commit's id, which names it for good."""
    return bool(_COMMIT.fullmatch(text))

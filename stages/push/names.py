"""The Hub's rules for repository ids and revisions, checked before anything is written."""

from __future__ import annotations

import re

from pipeline.stage import Problem
from stages.common.hub import is_commit, is_repo_id

_REVISION = re.compile(r"\w[\w.+-]*(?:/\w[\w.+-]*)*", re.ASCII)


def bad_repo_id(repo_id: str) -> Problem | None:
    """Tell when an id is not ``org/name`` as the Hub allows it."""
    if is_repo_id(repo_id):
        return None
    hint = "Give it as org/name: push.repo_id=my-org/my-model"
    if repo_id.count("/") != 1:
        return Problem(f"push.repo_id is not org/name: {repo_id!r}.", hint=hint)
    rule = "1 to 96 letters, digits, '-', '_' and '.', with no '-' or '.' at either end"
    if "--" in repo_id or ".." in repo_id or repo_id.endswith(".git"):
        rule = "It may hold neither '--' nor '..' and may not end in '.git'."
    return Problem(f"push.repo_id is not allowed on the Hub: {repo_id!r}.", rule, hint)


def bad_revision(key: str, name: str) -> Problem | None:
    """Tell when a branch or tag has no name that git and the Hub take.

    Args:
        key: the config key that holds it, for the message.
        name: the branch or tag.
    """
    allowed = _REVISION.fullmatch(name) and ".." not in name
    if not allowed or name.endswith((".", ".lock")) or name.startswith("refs/"):
        return Problem(
            f"{key} is no name for a revision: {name!r}.",
            "Letters, digits, '.', '-', '_', '+' and '/', and no '..' in it.",
            f"For example: {key}={'main' if key.endswith('revision') else 'v1.0.0'}",
        )
    if is_commit(name):
        return Problem(f"{key} reads like a commit: {name}.", hint="Name a branch or a tag.")
    return None

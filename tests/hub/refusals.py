"""What the Hub says instead of an answer.

The client's error classes hang on ``X-Error-Code``; its messages come from ``X-Error-Message``. The
real Hub leaves the code out of a 401 and lets the client guess from the https address; on plain
http the client would not, so that here the code is always said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class RefusalError(Exception):
    """An answer that is an error.

    Attributes:
        status: of HTTP.
        message: for people.
        code: ``X-Error-Code``; empty when the Hub gives none.
        fields: what the JSON says beside the error.
        headers: sent along.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str = "",
        fields: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code
        self.fields, self.headers = dict(fields or {}), dict(headers or {})


def login_needed() -> RefusalError:
    """Nobody is logged in, and what is asked for is not public, or is not there."""
    return RefusalError(401, "Invalid username or password.", "RepoNotFound")


def no_repository() -> RefusalError:
    """There is none, or none that this user may know of."""
    return RefusalError(404, "Repository not found", "RepoNotFound")


def no_revision(revision: str) -> RefusalError:
    """There is neither such a branch nor tag nor commit."""
    return RefusalError(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def no_entry(message: str, commit: str | None = None) -> RefusalError:
    """There is no such file; the commit is said so that clients can cache its absence."""
    headers = {"X-Repo-Commit": commit} if commit else {}
    return RefusalError(404, message, "EntryNotFound", headers=headers)


def too_many_requests(seconds: int, message: str = "") -> RefusalError:
    """The rate limit is reached.

    Args:
        seconds: until it is lifted.
        message: for people.
    """
    headers = {
        "Retry-After": str(seconds),
        "RateLimit": f'"api";r=0;t={seconds}',
        "RateLimit-Policy": '"fixed window";"api";q=1000;w=300',
    }
    return RefusalError(429, message or "We had to rate limit you.", headers=headers)

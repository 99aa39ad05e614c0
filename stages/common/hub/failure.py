"""What an error of huggingface_hub means: did the Hub answer, may it pass, what to do about it.

The client's errors come in several families (HTTP answers, a network that broke, a file that could
not be sent with the HTTP error as its cause), which it spreads over ``httpx`` or ``httpx2``,
``OSError``, ``ValueError`` and ``RuntimeError``, by version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from pipeline.errors import PushError

LONGEST_WAIT = 300.0
"""Seconds; the Hub's ordinary rate limits last no longer. For more, a person is told."""

_PASSING = (408, 425, 429)
_NEXT = "Run the same command again: what has arrived is not sent twice."
_FULL = re.compile(r"storage (limit|quota|space)|quota|payment|upgrade", re.IGNORECASE)
_RESET = re.compile(r"\br=0;t=(\d+)")
_LINE = 200


def http_error() -> type[Exception]:
    """Give the HTTP library's own error, whichever library this version of the client uses."""
    from huggingface_hub.errors import HfHubHTTPError

    return next(base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception))


def kinds() -> tuple[type[Exception], ...]:
    """Give the classes of errors that a call of the client may raise."""
    return (http_error(), OSError, ValueError, RuntimeError)


@dataclass(frozen=True)
class Failure:
    """Why a call of the client did not succeed.

    Attributes:
        status: of HTTP; ``None`` when there was no answer to have one.
        reason: what the Hub or the network said, on one line.
        request: the id under which the Hub's people find it.
        network: whether there was no answer because the connection broke, or never was.
        wait: seconds that the Hub asks to wait.
        offline: whether the client was told not to use the network.
        gated: whether the owners of the repository have yet to let this user in.
        revision: whether it is a commit, a branch or a tag that is not there.
        file: the file of ours that could not be read or written, which is nobody else's fault.
    """

    status: int | None
    reason: str
    request: str = ""
    network: bool = False
    wait: float | None = None
    offline: bool = False
    gated: bool = False
    revision: bool = False
    file: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Look for the cause of an error of one of `kinds`."""
        from huggingface_hub import errors

        chain = [error]
        while (deeper := chain[-1].__cause__) is not None:
            chain.append(deeper)
        for found in chain:
            if isinstance(found, errors.HfHubHTTPError):
                status = found.response.status_code
                said = found.server_message or str(found).partition("\n")[0]
                return cls(
                    status,
                    f"{status}: {said}"[:_LINE],
                    request=found.request_id or "",
                    wait=_asked_wait(found.response.headers),
                    gated=isinstance(found, errors.GatedRepoError),
                    revision=isinstance(found, errors.RevisionNotFoundError),
                )
        broken = (http_error(), ConnectionError, TimeoutError)
        offline = any(isinstance(found, errors.OfflineModeIsEnabled) for found in chain)
        # What lies at the bottom is the socket's error, or that of a library below the client's.
        network = any(isinstance(found, broken) for found in chain) and not offline
        text = " ".join(str(chain[-1]).split())
        reason = f"{type(chain[-1]).__name__}: {text}"[:_LINE]
        if not network and not offline:
            for found in chain:
                if isinstance(found, OSError) and found.errno is not None:
                    where = str(found.filename or "")
                    return cls(None, found.strerror or reason, file=where or "a temporary file")
        return cls(None, reason, network=network, offline=offline)

    @property
    def ambiguous(self) -> bool:
        """Whether the Hub may have done what it was asked all the same."""
        return self.network or (self.status or 0) >= 500

    @property
    def passing(self) -> bool:
        """Whether it may go well a moment later, and not only in an hour."""
        soon = (self.wait or 0.0) <= LONGEST_WAIT
        return soon and (self.ambiguous or self.status in _PASSING)

    def error(self, repo_id: str, endpoint: str) -> PushError:
        """Say it to a person: what happened, where, what to type next."""
        if self.file:
            what = f"A file could not be read or written: {self.reason}."
            return PushError(what, self.file, f"Mend that. {_NEXT}")
        what, hint = self._words(repo_id, endpoint)
        request = f" (request {self.request})" if self.request else ""
        return PushError(what, f"{endpoint}/{repo_id}: {self.reason}{request}", hint)

    def _words(self, repo_id: str, endpoint: str) -> tuple[str, str]:
        namespace = repo_id.partition("/")[0]
        if self.offline:
            return "HF_HUB_OFFLINE is set: nothing can be published.", "Unset it, or say push=cache"
        if self.network:
            return (
                "The Hub cannot be reached, or the connection broke.",
                f"Look at the network, and at push.endpoint or HF_ENDPOINT. {_NEXT}",
            )
        if self.gated:
            return (
                f"{repo_id} is gated: its owners decide who may read it.",
                f"Ask for access at {endpoint}/{repo_id}, then run the same command again.",
            )
        if self.status == 401:
            return (
                "The Hub does not accept the token.",
                f"Log in (hf auth login), or set HF_TOKEN to one of {endpoint}/settings/tokens",
            )
        if self.status == 402 or (self.status == 403 and _FULL.search(self.reason)):
            return (
                f"{namespace} has no room for it on the Hub.",
                f"Remove what is not needed, or get more room, at {endpoint}/settings/billing; "
                "then run the same command again.",
            )
        if self.status == 403:
            return (
                f"The token may not do this in {repo_id}.",
                f"Give it that right, or take another, at {endpoint}/settings/tokens",
            )
        if self.revision:
            return (
                f"{repo_id} has no such commit, branch or tag any more.",
                f"Look at {endpoint}/{repo_id}/commits/main, then run the same command again.",
            )
        if self.status == 404:
            return (
                f"There is no repository {repo_id}, or the token may not see it.",
                "Give another: push.repo_id=org/name",
            )
        if self.status == 429:
            return "The Hub asks to slow down.", f"Run the same command again in {self._moment()}."
        if self.ambiguous:
            return "The Hub failed.", _NEXT
        return "The Hub refused.", "Mend what it says, then run the same command again."

    def _moment(self) -> str:
        if self.wait is None:
            return "a few minutes"
        return f"{self.wait:.0f} seconds" if self.wait < 100 else f"{ceil(self.wait / 60)} minutes"


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Read for how long the Hub asks to wait; it says so in one header or the other."""
    asked = headers.get("Retry-After", "")
    if asked.isdigit():
        return float(asked)
    limit = _RESET.search(headers.get("RateLimit", ""))
    return float(limit[1]) if limit else None

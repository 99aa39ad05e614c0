"""What an error of huggingface_hub means: did the Hub answer, may it pass, what to do about it.

The client's errors come in several families (HTTP answers, a network that broke, a file that could
not be sent with the HTTP error as its cause), which it spreads over ``httpx`` or ``httpx2``,
``OSError``, ``ValueError`` and ``RuntimeError``, by version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.errors import PushError

_PASSING = (408, 425, 429)
_NEXT = "Run the same command again: what has arrived is not sent twice."
_FULL = re.compile(r"storage|quota|payment|upgrade|space", re.IGNORECASE)
_LINE = 200


def kinds() -> tuple[type[Exception], ...]:
    """Give the classes of errors that a call of the client may raise."""
    from huggingface_hub import errors

    # The first base is the HTTP library's own error, whichever library this version uses.
    return (*errors.HfHubHTTPError.__bases__, ValueError, RuntimeError)


@dataclass(frozen=True)
class Failure:
    """Why a call of the client did not succeed.

    Attributes:
        status: of HTTP; ``None`` when there was no answer to have one.
        reason: what the Hub or the network said, on one line.
        network: whether there was no answer because the connection broke, or never was.
        wait: seconds that the Hub asks to wait.
        offline: whether the client was told not to use the network.
    """

    status: int | None
    reason: str
    network: bool = False
    wait: float | None = None
    offline: bool = False

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
                asked = found.response.headers.get("Retry-After", "")
                wait = float(asked) if asked.isdigit() else None
                said = found.server_message or str(found).partition("\n")[0]
                request = f" (request {found.request_id})" if found.request_id else ""
                return cls(status, f"{status}: {said}"[:_LINE] + request, wait=wait)
        broken = (errors.HfHubHTTPError.__bases__[0], ConnectionError, TimeoutError)
        offline = any(isinstance(found, errors.OfflineModeIsEnabled) for found in chain)
        network = any(isinstance(found, broken) for found in chain) and not offline
        text = " ".join(str(chain[-1]).split())
        return cls(None, f"{type(chain[-1]).__name__}: {text}"[:_LINE], network, offline=offline)

    @property
    def ambiguous(self) -> bool:
        """Whether the Hub may have done what it was asked all the same."""
        return self.network or (self.status or 0) >= 500

    @property
    def passing(self) -> bool:
        """Whether it may go well a moment later."""
        return self.ambiguous or self.status in _PASSING

    def error(self, repo_id: str, endpoint: str) -> PushError:
        """Say it to a person: what happened, where, what to type next."""
        what, hint = self._words(repo_id, endpoint)
        return PushError(what, f"{endpoint}/{repo_id}: {self.reason}", hint)

    def _words(self, repo_id: str, endpoint: str) -> tuple[str, str]:
        namespace = repo_id.partition("/")[0]
        if self.offline:
            return "HF_HUB_OFFLINE is set: nothing can be published.", "Unset it, or say push=cache"
        if self.network:
            return "The Hub cannot be reached, or the connection broke.", _NEXT
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
                f"Take one that may write there, of {endpoint}/settings/tokens; "
                "or propose it: push.pr=true",
            )
        if self.status == 404:
            return (
                f"There is no repository {repo_id}, or the token may not see it.",
                "Give another: push.repo_id=org/name",
            )
        if self.status == 429:
            moment = f"{self.wait:.0f} seconds" if self.wait else "a few minutes"
            return "The Hub asks to slow down.", f"Run the same command again in {moment}."
        if self.ambiguous:
            return "The Hub failed.", _NEXT
        return "The Hub refused.", "Nothing was published."

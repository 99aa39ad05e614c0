"""Asking again what is safe to ask twice, as long as the Hub may come round."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from stages.common.hub.failure import Failure, kinds

ATTEMPTS = 4
FIRST_PAUSE = 1.0
"""Seconds; each further pause is twice as long."""

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How often to ask, and who is told about it.

    Attributes:
        say: is told why there is a pause.
        attempts: how often to ask in all.
    """

    say: Callable[[str], None] = lambda _: None
    attempts: int = ATTEMPTS

    def __call__(self, ask: Callable[[], T], *, refusals: bool = True) -> T:
        """Give the answer to a question that changes nothing when it is asked twice.

        Args:
            ask: asks it.
            refusals: whether to ask again after an answer that is none, too; ``False`` where the
                client does that by itself.

        Raises:
            Exception: of `kinds`, the last one; at once where asking again is of no use.
        """
        for attempt in range(self.attempts):
            try:
                return ask()
            except kinds() as error:
                failure = Failure.of(error)
                hopeless = not failure.passing or not (refusals or failure.network)
                if hopeless or attempt == self.attempts - 1:
                    raise
                self.pause(failure, attempt)
        raise AssertionError("unreachable")

    def pause(self, failure: Failure, attempt: int) -> None:
        """Wait as long as the Hub asks, else longer each time.

        Args:
            failure: what happened.
            attempt: how many pauses there have been.
        """
        seconds = FIRST_PAUSE * 2**attempt if failure.wait is None else failure.wait
        self.say(f"{failure.reason.rstrip('.')}; again in {seconds:.0f} s")
        time.sleep(seconds)

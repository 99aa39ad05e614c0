"""What goes wrong on purpose: the network and the servers between a client and the Hub."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from tests.hub.refusals import RefusalError, too_many_requests

if TYPE_CHECKING:
    from tests.hub.hub import Hub


@dataclass(frozen=True)
class Fault:
    """What happens to a request instead of what should.

    Attributes:
        status: answered without any work; 429 comes with the headers of a rate limit.
        message: said with the status.
        retry_after: seconds, said with a 429.
        delay: seconds before anything is done.
        cut_after: bytes after which the connection is closed: of the body that a PUT or POST sends,
            which then has no effect; of the body that is answered to a GET. The answer to a HEAD
            has none, so that nothing happens to it, but it is counted.
        lost_reply: the work is done, and the connection closed without an answer.
        meanwhile: done first, in the way of this request, by somebody else.
        afterwards: done by somebody else when the work is done, before it is answered.
        stall: seconds between the line in the log and what the client gets, be it an answer or the
            end of the connection: time to kill it when just so much has been done.
    """

    status: int | None = None
    message: str = "Injected."
    retry_after: int = 1
    delay: float = 0.0
    cut_after: int | None = None
    lost_reply: bool = False
    meanwhile: Callable[[Hub], object] | None = None
    afterwards: Callable[[Hub], object] | None = None
    stall: float = 0.0

    def refusal(self) -> RefusalError | None:
        """Give what is answered instead of the work."""
        if self.status == 429:
            return too_many_requests(self.retry_after, self.message)
        return RefusalError(self.status, self.message) if self.status else None


NONE = Fault()


class Faults:
    """The faults that are still to come, by route."""

    def __init__(self, routes: Iterable[str]) -> None:
        """Take the names of the routes that there are."""
        self.routes = sorted(set(routes))
        self._planned: defaultdict[str, list[Fault]] = defaultdict(list)
        self._lock = Lock()

    def add(self, route: str, times: int = 1, **what: Any) -> None:
        """Plan a fault; those of one route come in the order in which they were added.

        Args:
            route: a name of `tests.hub.routes`, such as ``commit``.
            times: how many requests meet it.
            what: as in `Fault`.

        Raises:
            ValueError: when there is no such route, or nothing would go wrong.
        """
        if route not in self.routes:
            raise ValueError(f"There is no route {route!r}; there are {', '.join(self.routes)}.")
        fault = Fault(**what)
        if fault == NONE:
            raise ValueError(
                "Say what goes wrong: status, delay, cut_after, lost_reply, meanwhile, afterwards "
                "or stall."
            )
        with self._lock:
            self._planned[route] += [fault] * times

    def take(self, route: str) -> Fault:
        """Give what the next request of a route meets; `NONE` when all goes well."""
        with self._lock:
            planned = self._planned[route]
            return planned.pop(0) if planned else NONE

    @property
    def pending(self) -> list[str]:
        """The routes of the faults that no request has met yet."""
        with self._lock:
            return [route for route, planned in self._planned.items() for _ in planned]

    def clear(self) -> None:
        """Let all go well again."""
        with self._lock:
            self._planned.clear()

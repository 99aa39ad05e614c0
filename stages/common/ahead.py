"""Working ahead of a consumer, on a thread of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

DEPTH = 8
"""Of the blocks of a file, which have a megabyte each."""

Item = TypeVar("Item")
_END = object()


def ahead(items: Iterable[Item], depth: int = DEPTH) -> Generator[Item, None, None]:
    """Give the items, of which a thread has made up to ``depth`` before they are asked for.

    An error of ``items`` is raised where the item would be. When the consumer stops early, so does
    the thread, once it has made what it is ahead.
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1) as maker:
        waiting = deque(maker.submit(next, iterator, _END) for _ in range(depth))
        while (item := waiting.popleft().result()) is not _END:
            waiting.append(maker.submit(next, iterator, _END))
            yield item  # type: ignore[misc]

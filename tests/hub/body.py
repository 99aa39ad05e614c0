"""The body of a request, read as it comes: a large file does not have to fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from io import BufferedIOBase

BLOCK = 1 << 16
"""Bytes read at a time."""


class Body:
    """What a client sends: a length said beforehand, or chunks until an empty one."""

    def __init__(self, stream: BufferedIOBase, headers: Message) -> None:
        """Take the connection and the headers that it began with."""
        self._stream = stream
        self._chunked = headers.get("Transfer-Encoding", "").lower() == "chunked"
        self._left = int(headers.get("Content-Length", 0))
        self._ended = not self._chunked and self._left == 0

    def read(self, limit: int = BLOCK) -> bytes:
        """Give the next bytes; none at the end.

        Raises:
            ConnectionError: when the client breaks off.
        """
        if not self._ended and self._left == 0:
            self._next_chunk()
        if self._ended:
            return b""
        block = self._stream.read(min(limit, self._left))
        if not block:
            raise ConnectionError("The client broke off.")
        self._left -= len(block)
        if self._left == 0:
            if self._chunked:
                self._stream.readline()
            else:
                self._ended = True
        return block

    def blocks(self, limit: int | None = None) -> Iterator[bytes]:
        """Give what is left, or the first bytes of it."""
        left = BLOCK if limit is None else limit
        while left and (block := self.read(min(left, BLOCK))):
            left -= len(block) if limit is not None else 0
            yield block

    def _next_chunk(self) -> None:
        line = self._stream.readline()
        if not line:
            raise ConnectionError("The client broke off.")
        self._left = int(line.partition(b";")[0], 16)
        if self._left == 0:
            self._stream.readline()
            self._ended = True

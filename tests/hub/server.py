"""HTTP/1.1 on a socket: reading requests, writing answers, and breaking off on purpose."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from uuid import uuid4

from tests.hub import routes
from tests.hub.body import BLOCK, Body
from tests.hub.exchange import Answer, Call, Slice, as_error
from tests.hub.faults import Fault
from tests.hub.refusals import RefusalError

if TYPE_CHECKING:
    from tests.hub.hub import Hub


class Server(ThreadingHTTPServer):
    """A thread for each connection; all of them end with the server."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, hub: Hub, port: int) -> None:
        """Listen on the loopback only; port 0 is any free one."""
        self.hub, self.closing = hub, Event()
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, which a client may keep open without asking anything."""
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        self.connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Break off whatever is still going on, and wait for it to end."""
        self.closing.set()
        for connection in self.connections.copy():
            _break(connection)
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    """One connection.

    It writes through a buffer and without Nagle's algorithm: an answer in two packets would
    otherwise wait 40 ms for the acknowledgement of the first.
    """

    server: Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Answer until one side has had enough."""
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True

    def finish(self) -> None:
        """Close the connection, even one that has broken off."""
        try:
            super().finish()
        except ConnectionError:
            self.rfile.close()

    def serve(self) -> None:
        """Answer one request, unless a fault is due."""
        path, _, query = self.path.partition("?")
        route, names = routes.find(self.command, path) or (None, {})
        name = route.name if route else ""
        fault = self.server.hub.faults.take(name)
        body = Body(self.rfile, self.headers)
        if self.server.closing.wait(fault.delay):
            return self._hang_up(name)
        if fault.meanwhile is not None:
            fault.meanwhile(self.server.hub)
        if fault.cut_after is not None and self.command in ("POST", "PUT"):
            for _ in body.blocks(fault.cut_after):
                pass
            return self._hang_up(name, fault.stall)
        pairs = dict(parse_qsl(query))
        answer = self._answer(fault, route, Call(self.server.hub, names, pairs, self.headers, body))
        for _ in body.blocks():
            pass
        if fault.afterwards is not None:
            fault.afterwards(self.server.hub)
        if fault.lost_reply:
            return self._hang_up(name, fault.stall)
        self._log(name, answer.status)
        if self.server.closing.wait(fault.stall):
            return self._break_off()
        self._send(answer, fault.cut_after)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = serve  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Stay silent; the log is a list."""

    def _answer(self, fault: Fault, route: routes.Route | None, call: Call) -> Answer:
        try:
            if refusal := fault.refusal():
                raise refusal
            if route is None:
                raise RefusalError(404, "Sorry, we can't find the page you are looking for.")
            return route.answer(call)
        except RefusalError as refused:
            return as_error(refused)

    def _send(self, answer: Answer, cut_after: int | None) -> None:
        self.send_response(answer.status)
        for name, text in answer.headers.items():
            # Headers are Latin-1, and a message may quote a path that is not.
            self.send_header(name, text.encode("latin-1", "replace").decode("latin-1"))
        self.send_header("X-Request-Id", uuid4().hex)
        self.send_header("Content-Length", str(answer.size))
        self.end_headers()
        if self.command == "HEAD":
            return
        left = answer.size if cut_after is None else cut_after
        for block in _blocks(answer):
            self.wfile.write(block[:left])
            left -= len(block[:left])
        if cut_after is not None:
            self.wfile.flush()
            self._break_off()

    def _hang_up(self, name: str, stall: float = 0.0) -> None:
        self._log(name, None)
        self.server.closing.wait(stall)
        self._break_off()

    def _break_off(self) -> None:
        self.close_connection = True
        _break(self.connection)

    def _log(self, route: str, status: int | None) -> None:
        self.server.hub.log(route, self.command, self.path, status)


def _blocks(answer: Answer) -> Iterator[bytes]:
    if not isinstance(answer.content, Slice):
        yield answer.content
        return
    with answer.content.path.open("rb") as file:
        file.seek(answer.content.start)
        left = answer.size
        while left and (block := file.read(min(left, BLOCK))):
            left -= len(block)
            yield block


def _break(connection: socket.socket) -> None:
    # The client may have been faster.
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)

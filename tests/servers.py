"""A real HTTPS server on the loopback, with a certificate authority of its own."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import trustme


@dataclass
class Served:
    """A folder behind https://localhost.

    Attributes:
        url: the address of the folder.
        ca: the certificate authority's file.
        asked: the path of every request so far.
        moved: addresses to redirect to, by path.
        cut: bytes after which an answer breaks off.
    """

    url: str
    ca: Path
    asked: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    cut: int | None = None


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, served: Served, *args: Any, **options: Any) -> None:
        self.served = served
        super().__init__(*args, **options)

    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        self.served.asked.append(self.path)
        if self.path in self.served.moved:
            self.send_response(302)
            self.send_header("Location", self.served.moved[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            super().do_GET()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        outputfile.write(source.read(-1 if self.served.cut is None else self.served.cut))

    def log_message(self, *_: object) -> None: ...


@contextmanager
def https_server(folder: Path, keys: Path) -> Iterator[Served]:
    """Serve ``folder``; the authority's certificate goes to ``keys``."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(keys / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    served = Served("", keys / "ca.pem")
    handler = partial(_Handler, served, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        served.url = f"https://localhost:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()

"""Files from https:// addresses, each downloaded once into a folder of downloads."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import (
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    Request,
    build_opener,
)

from pipeline import files
from pipeline.errors import ConfigError, SourceError
from pipeline.manifest import digest

TIMEOUT = 30.0
"""Seconds without a byte after which a server counts as silent."""


def demand_https(url: str) -> None:
    """Make sure that an address is one that nobody on the way can answer for.

    Raises:
        ConfigError: when it is not https://, or names no host.
    """
    parts = urlsplit(url)
    if parts.scheme != "https":
        secure = f"Try https://{parts.netloc}{parts.path}" if parts.scheme == "http" else ""
        raise ConfigError("Only https:// addresses are downloaded.", shown(url), secure)
    if not parts.hostname or not parts.path.strip("/"):
        raise ConfigError("The address names no file.", shown(url))


def shown(url: str) -> str:
    """Give an address without what may be a secret: login, query and fragment."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def place_of(url: str, folder: Path, sha256: str | None = None) -> Path:
    """Give where a download is kept. With another sha256 asked for, it is another file.

    So whatever stands there has been checked already.
    """
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    plain = "".join(c if c.isalnum() or c in "._-" else "-" for c in name).lstrip(".-")[:100]
    return folder / digest([url, sha256])[:16] / (plain or "checkpoint")


def fetch(
    url: str,
    folder: Path,
    sha256: str | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Path:
    """Give the file behind an address, from ``folder`` when it was downloaded before.

    Args:
        url: an https:// address.
        folder: where downloads are kept.
        sha256: what the content must have, in hex.
        advance: told the bytes that arrive.

    Raises:
        ConfigError: when the address is not https://.
        SourceError: when it cannot be downloaded, or is not what it should be.
    """
    demand_https(url)
    place = place_of(url, folder, sha256)
    with _alone(place):
        if not place.is_file():
            _bring(url, place, sha256, advance)
    return place


def size_of(url: str) -> int | None:
    """Ask a server how many bytes are behind an address; ``None`` where it does not tell.

    Raises:
        ConfigError: when the address is not https://.
    """
    demand_https(url)
    try:
        with _opener().open(Request(url, method="HEAD"), timeout=TIMEOUT) as response:
            return _length(response)
    except (OSError, HTTPException):  # the download that follows says what is wrong
        return None


def _bring(url: str, place: Path, sha256: str | None, advance: Callable[[int], None]) -> None:
    part = place.with_name(f".{place.name}.part")
    try:
        found = _download(url, part, advance)
        if sha256 is not None and found != sha256.lower():
            raise SourceError(
                f"The download has the sha256 {found}, not the one asked for.",
                shown(url),
                "Compare it with what its publisher says, then set checkpoint.sha256",
            )
        files.replace_file(part, place)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Download a file once, however many jobs of a sweep want it: the others wait."""
    from filelock import FileLock

    locks = place.parent.parent / ".locks"
    for folder in (place.parent, locks):
        folder.mkdir(parents=True, exist_ok=True)
    with FileLock(locks / f"{place.parent.name}.lock"):
        yield


class _OnlyHttps(HTTPRedirectHandler):
    """Follows a redirection only where it stays encrypted."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        demand_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> OpenerDirector:
    # The default context trusts what the system does, or SSL_CERT_FILE.
    return build_opener(HTTPSHandler(context=ssl.create_default_context()), _OnlyHttps())


def _download(url: str, target: Path, advance: Callable[[int], None]) -> str:
    """Write what an address answers; give its sha256 in hex."""
    hasher, size = hashlib.sha256(), 0
    try:
        with _opener().open(Request(url), timeout=TIMEOUT) as response, target.open("wb") as file:
            expected = _length(response)
            while block := response.read(files.BUFFER):
                file.write(block)
                hasher.update(block)
                size += len(block)
                advance(len(block))
            file.flush()
            os.fsync(file.fileno())
    except HTTPError as error:
        reason, hint = f"the server answers {error.code} {error.reason}", ""
        error.close()
        raise _failed(url, reason, hint) from error
    except URLError as error:
        raise _failed(url, *_explained(error.reason)) from error
    except (HTTPException, ssl.SSLError, ConnectionError, TimeoutError) as error:
        raise _failed(url, *_explained(error)) from error
    if expected is not None and size != expected:
        raise _failed(url, f"it broke off after {size} of {expected} bytes", "Try again.")
    return hasher.hexdigest()


def _length(response: HTTPResponse) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _explained(reason: object) -> tuple[str, str]:
    """Say what kept a connection from working, and what helps."""
    if isinstance(reason, ssl.SSLCertVerificationError):
        hint = "For a certificate authority of your own: SSL_CERT_FILE=/path/to/ca.pem"
        return f"its certificate is not trusted ({reason.verify_message})", hint
    if isinstance(reason, TimeoutError):
        return f"the server was silent for {TIMEOUT:.0f} seconds", "Try again."
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror, "Is there a network? A file works without: checkpoint=file"
    return str(reason), "Try again."


def _failed(url: str, reason: str, hint: str) -> SourceError:
    return SourceError(f"The download failed: {reason}.", shown(url), hint)

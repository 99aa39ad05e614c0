"""Downloads from a real HTTPS server with its own certificate authority."""

import hashlib
import threading
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, SourceError
from stages.common.downloads import demand_https, fetch, place_of, shown, size_of
from tests.servers import https_server

CONTENT = bytes(range(256)) * 9000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    (folder / "state dict.bin").write_bytes(CONTENT)
    with https_server(folder, tmp_path_factory.mktemp("keys")) as served:
        yield served


@pytest.fixture
def server(running, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(running.ca))
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    running.asked.clear()
    running.moved.clear()
    running.cut = None
    return running


def left_in(folder: Path) -> list[str]:
    """Name the files in a folder, but for locks."""
    return [path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


def failure(url: str, folder: Path, sha256: str | None = None) -> str:
    with pytest.raises(SourceError) as error:
        fetch(url, folder, sha256)
    assert len(str(error.value).splitlines()) <= 3
    assert left_in(folder) == []
    return str(error.value)


def test_a_file_is_downloaded_once(tmp_path, server):
    arrived: list[int] = []
    url = f"{server.url}/state%20dict.bin"
    path = fetch(url, tmp_path, advance=arrived.append)
    assert path.read_bytes() == CONTENT and sum(arrived) == len(CONTENT)
    assert path == place_of(url, tmp_path) and path.name == "state-dict.bin"
    assert fetch(url, tmp_path) == path and len(server.asked) == 1
    assert left_in(tmp_path) == ["state-dict.bin"]


def test_the_size_is_told_without_a_download(tmp_path, server):
    assert size_of(f"{server.url}/state%20dict.bin") == len(CONTENT)
    assert server.asked == []  # which are GETs
    assert size_of(f"{server.url}/gone.bin") is None
    assert size_of("https://localhost:1/c.bin") is None
    with pytest.raises(ConfigError):
        size_of("http://localhost/c.bin")


def test_the_promised_content_is_checked(tmp_path, server):
    url = f"{server.url}/state%20dict.bin"
    assert fetch(url, tmp_path / "right", SHA256.upper()).is_file()
    message = failure(url, tmp_path / "wrong", "0" * 64)
    assert SHA256 in message and url in message


def test_another_promise_is_another_file(tmp_path, server):
    url = f"{server.url}/state%20dict.bin"
    assert fetch(url, tmp_path) != fetch(url, tmp_path, SHA256)
    assert len(server.asked) == 2


def test_a_file_that_is_not_there(tmp_path, server):
    assert "404" in failure(f"{server.url}/gone.bin", tmp_path)


def test_an_answer_that_breaks_off(tmp_path, server):
    server.cut = 100_000
    message = failure(f"{server.url}/state%20dict.bin", tmp_path)
    assert f"100000 of {len(CONTENT)} bytes" in message


def test_a_redirection_is_followed(tmp_path, server):
    server.moved["/latest"] = "/state%20dict.bin"
    assert fetch(f"{server.url}/latest", tmp_path).read_bytes() == CONTENT


def test_a_redirection_to_http_is_not(tmp_path, server):
    server.moved["/latest"] = f"{server.url.replace('https', 'http')}/state%20dict.bin"
    with pytest.raises(ConfigError, match="Only https"):
        fetch(f"{server.url}/latest", tmp_path)
    assert left_in(tmp_path) == [] and server.asked == ["/latest"]


def test_a_certificate_that_nobody_vouches_for(tmp_path, server, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    message = failure(f"{server.url}/state%20dict.bin", tmp_path)
    assert "not trusted" in message and "SSL_CERT_FILE=" in message


def test_a_certificate_for_another_name(tmp_path, server):
    url = f"{server.url.replace('localhost', '127.0.0.1')}/state%20dict.bin"
    assert "not trusted" in failure(url, tmp_path)


def test_a_server_that_is_not_there(tmp_path, server):
    assert "Is there a network?" in failure("https://localhost:1/x.bin", tmp_path)


def test_a_server_that_speaks_another_language(tmp_path, server):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(10)
                connection.sendall(b"SSH-2.0-something\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        message = failure(f"https://localhost:{listener.getsockname()[1]}/x.bin", tmp_path)
        thread.join()
    assert "The download failed" in message


def test_three_at_once_download_it_once(tmp_path, server):
    url = f"{server.url}/state%20dict.bin"
    threads = [threading.Thread(target=fetch, args=(url, tmp_path)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert place_of(url, tmp_path).read_bytes() == CONTENT
    assert left_in(tmp_path) == ["state-dict.bin"] and len(server.asked) == 1


@pytest.mark.parametrize(
    "url",
    ["http://x.org/a.bin", "ftp://x.org/a", "file:///etc/passwd", "https:///a", "https://x.org/"],
)
def test_what_is_not_downloaded(url, tmp_path):
    with pytest.raises(ConfigError):
        demand_https(url)
    with pytest.raises(ConfigError):
        fetch(url, tmp_path)


def test_a_secret_in_an_address_is_not_shown(tmp_path, server):
    url = "https://alice:secret@localhost:1/x.bin?X-Amz-Signature=secret#secret"
    assert shown(url) == "https://localhost:1/x.bin"
    assert "secret" not in failure(url, tmp_path)
    assert place_of(url, tmp_path).name == "x.bin"


@pytest.mark.parametrize("name", ["..", ".", "%2e%2e", "%2F..%2F", "a%00b", "", "x" * 300])
def test_a_download_stays_in_its_folder(tmp_path, name):
    place = place_of(f"https://x.org/a/{name}", tmp_path)
    assert place.parent.parent == tmp_path and 1 <= len(place.name) <= 100
    assert place.name.strip("-._") or place.name == "checkpoint"

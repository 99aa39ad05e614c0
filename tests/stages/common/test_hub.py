"""The Hub: a cache without a network, and what a server answers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import huggingface_hub.constants
import pytest

from pipeline.errors import SourceError
from stages.common.hub import cached, commit_of, default_cache, download, is_repo_id
from tests.command import environment
from tests.hub_cache import write_cached


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "state_dict.bin"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def cache(tmp_path):
    return tmp_path / 'a "Hüb" cache'


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.mark.parametrize(
    ("text", "legal"),
    [
        ("facebook/musicgen-small", True),
        ("me/x_1.0", True),
        ("musicgen-small", False),
        ("a/b/c", False),
        ("a//b", False),
        ("../b", False),
        ("a/..", False),
        ("a/b--c", False),
        ("a/b.git", False),
        ("a-/b", False),
        ("a/b c", False),
        ("", False),
    ],
)
def test_the_form_of_an_id(text, legal, cache):
    assert is_repo_id(text) is legal
    if not legal:
        for ask in (download, cached):
            with pytest.raises(SourceError, match="is no Hub id"):
                ask(text, "state_dict.bin", cache_dir=cache)


def test_what_the_cache_has_needs_no_network(weights, cache, offline):
    commit = write_cached(cache, "me/small", weights)
    path = download("me/small", weights.name, cache_dir=cache)
    assert path.read_bytes() == b"weights"
    assert commit_of(path) == commit
    assert cached("me/small", weights.name, cache_dir=cache) == path
    assert download("me/small", weights.name, commit, cache) == path


def test_a_revision_of_its_own(weights, cache, offline):
    write_cached(cache, "me/small", weights)
    weights.write_bytes(b"others")
    commit = write_cached(cache, "me/small", weights, revision="v2")
    path = download("me/small", weights.name, "v2", cache)
    assert path.read_bytes() == b"others" and commit_of(path) == commit


def test_without_a_network_what_is_not_in_the_cache_is_not_there(weights, cache, offline):
    write_cached(cache, "me/small", weights)
    for repo_id, name, revision in (
        ("me/large", weights.name, "main"),
        ("me/small", "gone.bin", "main"),
        ("me/small", weights.name, "v3"),
    ):
        assert cached(repo_id, name, revision, cache) is None
        with pytest.raises(SourceError) as error:
            download(repo_id, name, revision, cache)
        assert len(str(error.value).splitlines()) == 3
        assert repo_id in error.value.what and "HF_HUB_OFFLINE" in error.value.hint


def test_audiocraft_says_where_its_cache_is(weights, cache, offline, monkeypatch):
    monkeypatch.delenv("AUDIOCRAFT_CACHE_DIR", raising=False)
    assert default_cache() is None
    write_cached(cache, "me/small", weights)
    monkeypatch.setenv("AUDIOCRAFT_CACHE_DIR", str(cache))
    assert cached("me/small", weights.name) == download("me/small", weights.name)


def test_a_file_outside_of_a_cache_has_no_commit(weights):
    assert commit_of(weights) is None
    assert commit_of(Path("snapshots/main/state_dict.bin")) is None


class Answers(BaseHTTPRequestHandler):
    """A Hub that has one file and many ways to say no."""

    protocol_version = "HTTP/1.1"
    refused = {
        "missing": (404, "RepoNotFound"),
        "gated": (403, "GatedRepo"),
        "revision": (404, "RevisionNotFound"),
        "entry": (404, "EntryNotFound"),
        "forbidden": (403, ""),
    }

    def answer(self) -> None:
        repo = self.path.split("/")[2]
        status, code = self.refused.get(repo, (200, ""))
        body = b"weights" if status == 200 else b""
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        if status == 200:
            self.send_header("X-Repo-Commit", "ab" * 20)
            self.send_header("ETag", '"' + "cd" * 20 + '"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_GET = do_HEAD = answer  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        thread = Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


ASK = """
import json, sys
from pathlib import Path
from pipeline.errors import SourceError
from stages.common.hub import commit_of, download

said = {}
for repo in sys.argv[2:]:
    arrived = []
    try:
        path = download(f"me/{repo}", "state_dict.bin", cache_dir=Path(sys.argv[1]),
                        advance=arrived.append)
        said[repo] = [path.read_text(), commit_of(path), sum(arrived)]
    except SourceError as error:
        said[repo] = str(error).splitlines()
print(json.dumps(said))
"""


def test_what_a_hub_answers(cache, server):
    env = environment(HF_ENDPOINT=server, HF_HUB_DISABLE_TELEMETRY="1", no_proxy="*")
    repos = ["small", *Answers.refused]
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(cache), *repos], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    said = json.loads(done.stdout)
    assert said.pop("small") == ["weights", "ab" * 20, 7]
    assert all(len(lines) <= 3 for lines in said.values())
    assert "no repository me/missing" in said["missing"][0]
    assert "HF_TOKEN" in said["missing"][2]
    assert "me/gated is gated" in said["gated"][0]
    assert "no revision 'main'" in said["revision"][0]
    assert "no state_dict.bin at main" in said["entry"][0]
    assert "me/forbidden" in said["forbidden"][0]

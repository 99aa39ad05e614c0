"""What a repository holds, without a download, and parts of what it holds."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from stages.common.hub.remote import page_of
from tests.command import environment
from tests.hub import Hub

ASK = """
import json, sys
from dataclasses import asdict
from pipeline.errors import SourceError
from stages.common.hub.remote import RemoteTree, part, tree

what, *arguments = json.loads(sys.argv[1])
try:
    if what == "tree":
        print(json.dumps(asdict(tree(*arguments))))
    else:
        repo_id, name, commit, start, length = arguments
        print(json.dumps(part(RemoteTree(repo_id, commit, {}), name, start, length).decode()))
except SourceError as error:
    print(json.dumps(str(error).splitlines()))
"""


def ask(variables: dict[str, str], *arguments: object) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(arguments)], env=environment(**variables),
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_all_files_with_their_digests(hub: Hub):
    files = {"a.bin": b"weights", "deep/er/b.txt": b"text", "c.txt": b""}
    commit = hub.seed("lab/small", files)
    hub.page_size = 2
    found = ask(hub.environment(), "tree", "lab/small")
    assert (found["repo_id"], found["commit"]) == ("lab/small", commit)
    assert sorted(found["files"]) == sorted([*files, ".gitattributes"])
    large, text = found["files"]["a.bin"], found["files"]["deep/er/b.txt"]
    assert (large["size"], large["sha256"]) == (7, hashlib.sha256(b"weights").hexdigest())
    assert text["sha256"] is None
    assert text["blob"] == hashlib.sha1(b"blob 4\0text").hexdigest()
    assert {request.route for request in hub.requests} == {"info", "tree"}


def test_a_part_comes_from_where_the_token_must_not_go(hub: Hub):
    commit = hub.seed("lab/small", {"a.bin": b"0123456789"})
    hub.store.repo("lab/small").change_settings(private=True)
    where = ("lab/small", "a.bin", commit)
    assert ask(hub.environment("read"), "part", *where, 3, 4) == "3456"
    assert "HF_TOKEN" in ask(hub.environment(), "part", *where, 3, 4)[-1]
    assert "cannot be read in parts" in ask(hub.environment("read"), "part", *where, 8, 4)[0]


class Deaf(SimpleHTTPRequestHandler):
    """Gives the whole file, whatever part is asked for."""

    def log_message(self, *_: object) -> None: ...


def test_a_server_that_gives_all_of_it_is_not_taken_for_one_that_gives_a_part(tmp_path: Path):
    file = tmp_path / "lab/small/resolve" / ("a" * 40) / "a.bin"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"0123")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Deaf, directory=tmp_path)) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        variables = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "no_proxy": "*"}
        said = ask(variables, "part", "lab/small", "a.bin", "a" * 40, 0, 4)
        server.shutdown()
        thread.join()
    assert "cannot be read in parts" in said[0] and "--download" in said[2]


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://huggingface.co/lab/small", ("lab/small", None)),
        ("https://huggingface.co/lab/small/", ("lab/small", None)),
        ("https://huggingface.co/lab/small/tree/refs%2Fpr%2F1", ("lab/small", "refs/pr/1")),
        ("https://huggingface.co/lab/small/resolve/v1/SHA256SUMS?x=1", ("lab/small", "v1")),
        ("https://huggingface.co/docs/hub/index", None),
        ("https://huggingface.co/lab", None),
        ("https://huggingface.co.example.org/lab/small", None),
        ("https://example.org/lab/small", None),
    ],
)
def test_the_page_of_a_repository(address, found):
    assert page_of(address) == found

"""The Hub: a cache without a network, and what a server answers."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest

from pipeline.errors import SourceError
from stages.common.hub import cached, commit_of, default_cache, download, is_repo_id
from tests.command import environment
from tests.hub import Hub
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


ASK = """
import json, sys
from pathlib import Path
from pipeline.errors import SourceError
from stages.common.hub import commit_of, download

said = []
for repo in sys.argv[2:]:
    arrived = []
    try:
        path = download(*repo.split("@"), cache_dir=Path(sys.argv[1]), advance=arrived.append)
        said.append([path.read_text(), commit_of(path), sum(arrived)])
    except SourceError as error:
        said.append(str(error).splitlines())
print(json.dumps(said))
"""


def ask(hub: Hub, cache: Path, *files: str) -> list[list[Any]]:
    """Download files, each given as ``ORG/NAME@FILE@REVISION``, with nobody logged in."""
    env = environment(**hub.environment())
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(cache), *files], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    said: list[list[Any]] = json.loads(done.stdout)
    return said


def test_what_a_hub_answers(cache, hub):
    commit = hub.seed("lab/small", {"state_dict.bin": b"weights"})
    hub.seed("lab/gated", {"state_dict.bin": b"weights"})
    hub.store.repo("lab/gated").change_settings(gated="manual")
    small, missing, gated, revision, entry = ask(
        hub,
        cache,
        "lab/small@state_dict.bin",
        "lab/missing@state_dict.bin",
        "lab/gated@state_dict.bin",
        "lab/small@state_dict.bin@v2",
        "lab/small@gone.bin",
    )
    assert small == ["weights", commit, 7]
    assert all(len(lines) <= 3 for lines in (missing, gated, revision, entry))
    assert "no repository lab/missing" in missing[0]
    assert "HF_TOKEN" in missing[2]
    assert "lab/gated is gated" in gated[0]
    assert "no revision 'v2'" in revision[0]
    assert "no gone.bin at main" in entry[0]


def test_a_hub_that_says_no_without_a_reason(cache, hub):
    hub.seed("lab/small", {"state_dict.bin": b"weights"})
    hub.faults.add("resolve", status=403, times=2)
    (forbidden,) = ask(hub, cache, "lab/small@state_dict.bin")
    assert len(forbidden) <= 3 and "lab/small" in forbidden[0]

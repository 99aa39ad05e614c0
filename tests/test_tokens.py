"""No token in any file that a run writes, nor on the terminal; none is taken from a config."""

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import ROOT, Place, environment, pipeline
from tests.hub import Hub

TOKEN = "hf_" + "Ab3" * 11 + "Z"
PUSH = ("push=[cache,hub]", "push.repo_id=lab/small")


@pytest.fixture
def env(hub: Hub, tmp_path: Path) -> dict[str, str]:
    """The environment of ada, whose client keeps its things below this test's folder."""
    return environment(**hub.environment("write"), HF_HOME=str(tmp_path / "home"))


def traces(token: str, below: Path, *ran: subprocess.CompletedProcess[str]) -> list[str]:
    """Name every place that holds a token, as it is or as HTTP and JSON would wrap it."""
    secret = token.encode()
    forms = (secret, base64.b64encode(secret)[:-3], secret.hex().encode())

    def places() -> Iterator[tuple[str, bytes]]:
        for path in below.rglob("*"):
            yield str(path), str(path).encode()
            if path.is_file():
                yield str(path), path.read_bytes()
        for done in ran:
            yield "stdout", done.stdout.encode()
            yield "stderr", done.stderr.encode()

    return [name for name, content in places() if any(form in content for form in forms)]


def test_a_push_leaves_no_token_anywhere(place: Place, hub: Hub, env: dict[str, str]) -> None:
    token = hub.tokens["write"]
    first = pipeline(*place.request, *PUSH, "hydra.verbose=true", cwd=place.root, env=env)
    assert first.returncode == 0, first.stderr
    hub.faults.add("whoami", status=401)
    hub.faults.add("whoami", status=403)
    hub.faults.add("commits", status=400)
    refused = [pipeline(*place.request, *PUSH, cwd=place.root, env=env) for _ in range(2)]
    assert [done.returncode for done in refused] == [1, 1]
    receipt = next(place.outputs.glob("*/*/push/receipt.json"))
    back = pipeline(str(receipt), cwd=place.root, env=env, module="pipeline.rollback")
    assert back.returncode == 0
    (hub.accounts.file).unlink()  # the Hub itself knows it
    assert traces(token, place.root, first, *refused, back) == []


def test_the_search_would_find_one(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_text(f"Authorization: Bearer {TOKEN}")
    (tmp_path / "other").write_bytes(b"x" + base64.b64encode(TOKEN.encode()))
    assert len(traces(TOKEN, tmp_path)) == 2


def test_what_is_fetched_from_elsewhere_or_kept_by_the_client_is_found_too(
    place: Place, env: dict[str, str], tmp_path: Path
) -> None:
    kept = tmp_path / "token"
    kept.write_text("of-another-form-0815\n")
    env = {**env, "MINE": TOKEN, "HF_TOKEN_PATH": str(kept)}
    for override in ("push.message=${oc.env:MINE}", "push.message=by of-another-form-0815"):
        done = pipeline(*place.request, *PUSH, override, cwd=place.root, env=env)
        assert done.returncode == 1
        assert "push.message holds a Hub token" in done.stderr
        assert not list(place.outputs.rglob("config.yaml"))
    words = "card.description='Log in, or set HF_TOKEN.'"
    done = pipeline(*place.request, "push=none", words, cwd=place.root, env=env)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("override", "key"),
    [
        (f"push.token={TOKEN}", "push.token"),
        (f"+push.hub.token={TOKEN}", "push.hub.token"),
        (f"push.message=by {TOKEN}", "push.message"),
        (f"push.endpoint=https://me:{TOKEN}@huggingface.co", "push.endpoint"),
        ("push.message=${oc.env:HF_TOKEN}", "push.message"),
        (f"push.private={TOKEN}", "push.private"),
        (TOKEN, "An argument"),
    ],
)
def test_a_token_on_the_command_line_is_refused_unprinted(
    place: Place, env: dict[str, str], override: str, key: str
) -> None:
    for flags in ((), ("-m",)):
        done = pipeline(*flags, *place.request, *PUSH, override, cwd=place.root, env=env)
        assert done.returncode == 1
        assert done.stderr.startswith(f"error {key} holds a Hub token")
        assert traces(TOKEN, place.root, done) == []
        assert not place.outputs.exists()


@pytest.mark.parametrize("value", [TOKEN, "${oc.env:HF_TOKEN}"])
def test_a_token_in_a_release_file_is_refused_unprinted(
    place: Place, env: dict[str, str], value: str
) -> None:
    text = (ROOT / "config" / "release" / "musicgen_small.yaml").read_text("utf-8")
    folder = place.root / "mine" / "release"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(f"{text}\npush:\n  message: {value}\n")
    request = [a.replace("+release=musicgen_small", "+release=mine") for a in place.request]
    found = f"hydra.searchpath=[file://{place.root / 'mine'}]"
    done = pipeline(*request, *PUSH, found, cwd=place.root, env=env)
    assert done.returncode == 1
    assert done.stderr.startswith("error push.message holds a Hub token"), done.stderr
    (folder / "mine.yaml").unlink()
    assert traces(TOKEN, place.root, done) == []
    assert not place.outputs.exists()

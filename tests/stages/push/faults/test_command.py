"""What a person sees of it, who has only the command: three lines at most, and how it ended."""

import re
import signal
import subprocess
import time

import pytest

from tests.command import Place, command, environment, make_place, pipeline
from tests.hub import Hub
from tests.stages.push.faults.cases import CASES, REPO, STALL

BY_NAME = {case.name: case for case in CASES}
TAG = "refs/tags/v1.0.0"


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place where a release is ready to go."""
    place = make_place(tmp_path_factory.mktemp("packaged"))
    done = pipeline(*place.request, "validate=off", "until_stage=package", cwd=place.root)
    assert done.returncode == 0, done.stderr
    return place


def request(place: Place) -> list[str]:
    push = ["push=hub", f"push.repo_id={REPO}", "from_stage=push"]
    return [*place.request, "validate=off", *push]


@pytest.mark.parametrize(
    "name", ["401: a token of nobody", "HF_HUB_OFFLINE=1", "commit: 400"], ids=str
)
def test_it_ends_with_1_and_says_what_to_do(packaged: Place, hub: Hub, name: str) -> None:
    case = BY_NAME[name]
    for route, what in case.faults:
        hub.faults.add(route, **what)
    env = environment(**hub.environment("write"), HF_HUB_OFFLINE=str(int(case.offline)))
    env["HF_TOKEN"] = hub.tokens.get(case.token, case.token)
    done = pipeline(*request(packaged), cwd=packaged.root, env=env)
    assert done.returncode == 1
    assert 1 <= len(done.stderr.splitlines()) <= 3, done.stderr
    assert re.search(case.says, done.stderr), done.stderr
    assert not hub.store.repo(REPO).exists or TAG not in hub.store.repo(REPO).refs


def test_a_retry_of_the_client_is_told_among_our_lines(packaged: Place, hub: Hub) -> None:
    hub.faults.add("lfs-upload", status=503)
    env = environment(**hub.environment("write"))
    done = pipeline(*request(packaged), cwd=packaged.root, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert "hub: 503; again in 1 s" in done.stdout


def test_the_same_command_completes_what_a_kill_interrupted(packaged: Place, hub: Hub) -> None:
    hub.faults.add("commit", stall=STALL)
    env = environment(**hub.environment("write"))
    process = subprocess.Popen(
        command(*request(packaged)), cwd=packaged.root, env=env, stdout=subprocess.PIPE
    )
    while not any(request.route == "commit" for request in hub.requests):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    repo = hub.store.repo(REPO)
    commit = repo.refs["refs/heads/main"]
    assert TAG not in repo.refs
    done = pipeline(*request(packaged), cwd=packaged.root, env=env)
    assert done.returncode == 0, done.stderr
    assert f"unchanged at {commit[:12]}" in done.stdout
    assert repo.refs["refs/heads/main"] == repo.refs[TAG] == commit

"""Starting and stopping it, and clients that know it by their environment alone."""

import json
import re
import signal
import subprocess
import sys
import time
from http.client import HTTPConnection

import pytest
from huggingface_hub import HfApi

from tests.command import ROOT, command, environment
from tests.hub import serve
from tests.hub.accounts import WRITE, Token

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPO = "lab/small"

USE = """
import json, sys
from huggingface_hub import create_repo, hf_hub_download, upload_file, whoami

create_repo("lab/small", exist_ok=True)
upload_file(path_or_fileobj=b"weights", path_in_repo="a.bin", repo_id="lab/small")
path = hf_hub_download("lab/small", "a.bin", cache_dir=sys.argv[1])
print(json.dumps([whoami()["name"], open(path).read()]))
"""


@pytest.mark.parametrize("token", ["write", "fine-grained"])
def test_the_environment_is_all_that_a_client_needs(hub, tmp_path, token):
    # A fine-grained token may not make it, and the client heeds that it is there.
    hub.seed(REPO, {})
    env = environment(**hub.environment(token))
    done = subprocess.run(
        [sys.executable, "-c", USE, tmp_path / "cache"], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["ada", "weights"]
    assert {request.route for request in hub.requests} >= {"lfs-upload", "commit", "lfs-download"}


def test_without_a_token_there_is_nobody(hub, tmp_path):
    (tmp_path / "token").write_text("hf_of_whoever_runs_the_tests")
    env = environment(HF_HOME=str(tmp_path), **hub.environment())
    code = "from huggingface_hub import get_token; print(get_token())"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout == "None\n", done.stderr


def test_a_restart_forgets_nothing(ugly, tmp_path, turn_to):
    with serve(ugly) as hub:
        turn_to(hub.endpoint)
        port = hub.port
        hub.accounts.add(Token("colleague", "bob", WRITE), "lab")
        api = HfApi(hub.endpoint, hub.tokens["colleague"])
        api.create_repo(REPO, private=True)
        for number in (1, 2):
            commit = api.upload_file(
                path_or_fileobj=b"%d" % number, path_in_repo="a.bin", repo_id=REPO,
                create_pr=number == 2,
            )  # fmt: skip
        api.create_tag(REPO, tag="v1")
        before = api.model_info(REPO, files_metadata=True)
        refs = api.list_repo_refs(REPO, include_pull_requests=True)
        commits = api.list_repo_commits(REPO)
        assert refs.pull_requests[0].target_commit == commit.oid
    with serve(ugly, port) as hub:
        api = HfApi(hub.endpoint, hub.tokens["colleague"])
        assert api.model_info(REPO, files_metadata=True) == before
        assert api.list_repo_refs(REPO, include_pull_requests=True) == refs
        assert api.list_repo_commits(REPO) == commits
        path = api.hf_hub_download(REPO, "a.bin", revision="v1", cache_dir=tmp_path)
        with open(path) as file:
            assert file.read() == "1"


@pytest.mark.parametrize("delay", [0.0, 60.0], ids=["idle", "waiting"])
def test_it_ends_whatever_a_client_does(tmp_path, delay):
    with serve(tmp_path / "hub") as hub:
        if delay:
            hub.faults.add("whoami", delay=delay)
        client = HTTPConnection("127.0.0.1", hub.port)
        client.request("GET", "/api/whoami-v2")
        if not delay:
            assert client.getresponse().read()
        while hub.faults.pending:
            time.sleep(0.01)
    with client.sock as connection:
        assert connection.recv(1) == b""


def test_by_hand(tmp_path, turn_to):
    running = subprocess.Popen(
        command("--root", str(tmp_path / "kept"), module="tests.hub"),
        cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = []
    while not said or "HF_TOKEN" not in said[-1]:
        said.append(running.stdout.readline())
        assert said[-1], "it ended"
    text = "".join(said)
    (endpoint,) = re.findall(r"^export HF_ENDPOINT=(\S+) HF_HUB_DISABLE_XET=1$", text, re.M)
    (token,) = re.findall(r"^export HF_TOKEN=(\S+)$", text, re.M)
    turn_to(endpoint)
    api = HfApi(endpoint, token)
    assert api.whoami()["name"] == "ada"
    api.create_repo(REPO)
    for role in ("read", "write", "fineGrained"):
        (token,) = re.findall(rf"^  (\S+) +{role} token of ada", text, re.M)
        assert HfApi(endpoint, token).whoami()["auth"]["accessToken"]["role"] == role
    running.send_signal(signal.SIGINT)
    rest, _ = running.communicate(timeout=60)
    assert running.returncode == 0 and "Traceback" not in rest
    assert (tmp_path / "kept/repositories/lab/small/refs.json").is_file()

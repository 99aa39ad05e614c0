"""Every kind of fault does what it says, and the client notices."""

import os
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, constants

# The base of all errors of the client's HTTP library, which is another one from version to version.
from huggingface_hub.errors import HfHubHTTPError, HTTPError

from tests.hub.faults import NONE

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPO = "lab/small"


@pytest.fixture
def head(hub) -> str:
    return hub.seed(REPO, {"a.bin": os.urandom(200_000), "a.txt": b"text " * 1000})


def release(api: HfApi, **files: bytes) -> str:
    operations = [CommitOperationAdd(name, content) for name, content in files.items()]
    return api.create_commit(REPO, operations, commit_message="release").oid


def statuses(hub, route: str) -> list[int | None]:
    return [request.status for request in hub.requests if request.route == route]


def is_refusal(error: pytest.ExceptionInfo[HTTPError]) -> bool:
    """Whether the Hub answered, and not just the line was cut."""
    return isinstance(error.value, HfHubHTTPError)


def test_a_status_is_answered_without_the_work(hub, api, head):
    hub.faults.add("commit", status=503, message="Down for a while.", times=2)
    for _ in range(2):
        with pytest.raises(HfHubHTTPError, match="Down for a while") as error:
            release(api, new=b"1")
        assert error.value.response.status_code == 503
        assert error.value.request_id
        assert api.model_info(REPO).sha == head
    made = release(api, new=b"1")
    assert api.model_info(REPO).sha == made
    assert statuses(hub, "commit") == [503, 503, 200]


def test_a_rate_limit_says_when_to_come_back(hub, api, head):
    hub.faults.add("info", status=429, retry_after=7)
    with pytest.raises(HfHubHTTPError, match="429") as error:
        api.model_info(REPO)
    headers = error.value.response.headers
    assert headers["Retry-After"] == "7"
    assert headers["RateLimit"] == '"api";r=0;t=7'


def test_a_delay_outlasts_a_client_and_the_work_is_done(hub, api, head):
    hub.faults.add("info", delay=0.5)
    with pytest.raises(HTTPError) as error:
        api.model_info(REPO, timeout=0.1)
    assert not is_refusal(error)
    assert api.model_info(REPO).sha == head


def test_an_upload_that_is_cut_leaves_nothing(hub, api, head):
    content = os.urandom(100_000)
    hub.faults.add("lfs-upload", cut_after=1000)
    # Newer clients try again after a second, older ones leave it to us.
    with suppress(RuntimeError):
        release(api, **{"b.bin": content})
    release(api, **{"b.bin": content})
    assert statuses(hub, "lfs-upload") == [None, 200]
    hub.faults.add("lfs-upload", cut_after=1000)
    hub.faults.add("lfs-upload", status=400)
    with pytest.raises(RuntimeError, match="Error while uploading 'c.bin'"):
        release(api, **{"c.bin": content[1:]})
    large = [path for path in hub.store.folder.rglob("large/*") if path.is_file()]
    assert sorted(path.stat().st_size for path in large) == [100_000, 200_000]


def test_a_commit_that_is_cut_is_none(hub, api, head):
    hub.faults.add("commit", cut_after=20)
    with pytest.raises(HTTPError) as error:
        release(api, new=b"1")
    assert not is_refusal(error) and statuses(hub, "commit") == [None]
    assert api.model_info(REPO).sha == head


@pytest.mark.parametrize(("name", "route"), [("a.bin", "lfs-download"), ("a.txt", "resolve")])
def test_a_download_that_is_cut_goes_on_from_there(
    hub, api, head, tmp_path, monkeypatch, name, route
):
    # Of a block that is not complete the client keeps nothing.
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 400)
    # A regular file is asked for twice, first without its content.
    hub.faults.add(route, cut_after=1000, times=2 if route == "resolve" else 1)
    # Newer clients go on by themselves, older ones when they are asked again.
    with suppress(HTTPError):
        api.hf_hub_download(REPO, name, cache_dir=tmp_path)
    path = Path(api.hf_hub_download(REPO, name, cache_dir=tmp_path))
    repo = hub.store.repo(REPO)
    assert path.read_bytes() == repo.content(repo.find("main").files[name]).read_bytes()
    gets = [r.status for r in hub.requests if r.route == route and r.method == "GET"]
    assert gets == [200, 206]


def test_a_reply_that_is_lost_hides_what_was_done(hub, api, head):
    hub.faults.add("commit", lost_reply=True)
    with pytest.raises(HTTPError) as error:
        release(api, new=b"1")
    assert not is_refusal(error) and statuses(hub, "commit") == [None]
    assert api.list_repo_commits(REPO)[1].commit_id == head
    assert "new" in api.list_repo_files(REPO)


def test_somebody_else_may_be_faster(hub, api, head):
    hub.faults.add("commit", meanwhile=lambda hub: hub.seed(REPO, {"b.txt": b"theirs"}, "eve"))
    release(api, new=b"1")
    assert [commit.title for commit in api.list_repo_commits(REPO)][:2] == ["release", "seed"]


@pytest.mark.parametrize(
    ("what", "done"), [({}, True), ({"lost_reply": True}, True), ({"cut_after": 0}, False)]
)
def test_a_stalled_request_has_been_served_before_its_client_knows(hub, head, what, done):
    hub.faults.add("branch", stall=60.0, **what)
    client = HTTPConnection("127.0.0.1", hub.port, timeout=0.3)
    headers = {"Authorization": f"Bearer {hub.tokens['write']}"}
    client.request("POST", f"/api/models/{REPO}/branch/next", "{}", headers)
    with pytest.raises(TimeoutError):
        client.getresponse()
    client.close()
    assert statuses(hub, "branch") == [None if what else 200]
    assert ("refs/heads/next" in hub.store.repo(REPO).refs) == done


def test_a_fault_meets_its_own_route_and_in_order(hub, api, head):
    hub.faults.add("auth-check", status=500)
    hub.faults.add("auth-check", status=403)
    api.model_info(REPO)
    for status in (500, 403):
        with pytest.raises(HfHubHTTPError) as error:
            api.auth_check(REPO)
        assert error.value.response.status_code == status
    api.auth_check(REPO)
    hub.faults.add("auth-check", status=500, times=2)
    assert hub.faults.pending == ["auth-check"] * 2
    hub.faults.clear()
    api.auth_check(REPO)


def test_a_fault_that_means_nothing_is_an_error(hub):
    with pytest.raises(ValueError, match=r"no route 'comit'; there are .*commit"):
        hub.faults.add("comit", status=503)
    with pytest.raises(ValueError, match="Say what goes wrong"):
        hub.faults.add("commit")
    assert hub.faults.pending == [] and hub.faults.take("commit") == NONE

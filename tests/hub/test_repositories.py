"""Repositories: who may make, see, read and change them."""

from contextlib import nullcontext
from inspect import signature

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.hub.accounts import WRITE, Token

REPO = "lab/small"


def status_of(error: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return error.value.response.status_code


def test_who_i_am(hub, api, stranger, nobody):
    me = api.whoami()
    assert me["name"] == "ada" and [org["name"] for org in me["orgs"]] == ["lab"]
    assert me["auth"]["accessToken"]["role"] == "write"
    assert stranger.whoami()["orgs"] == []
    for name, role in {"read": "read", "fine-grained": "fineGrained"}.items():
        access = HfApi(hub.endpoint, hub.tokens[name]).whoami()["auth"]["accessToken"]
        assert access["role"] == role
        assert ("fineGrained" in access) is (role == "fineGrained")
    with pytest.raises(HfHubHTTPError) as error:
        HfApi(hub.endpoint, "hf_nobody").whoami()
    assert status_of(error) == 401


def test_a_new_repository_holds_what_the_hub_puts_there(hub, api):
    url = api.create_repo(REPO)
    assert (str(url), url.repo_id) == (f"{hub.endpoint}/{REPO}", REPO)
    info = api.model_info(REPO, files_metadata=True)
    assert info.private is False and info.author == "lab" and len(info.sha) == 40
    (file,) = info.siblings
    # The blob that stands in the model repositories of the real Hub.
    assert file.rfilename == ".gitattributes" and file.size == 1519
    assert file.blob_id == "a6344aac8c09253b3b630fb776ae94478aa0275b"
    assert [commit.title for commit in api.list_repo_commits(REPO)] == ["initial commit"]


def test_a_repository_is_made_once(hub, api):
    first = api.create_repo(REPO)
    assert api.create_repo(REPO, exist_ok=True) == first
    with pytest.raises(HfHubHTTPError, match="You already created this model repo") as error:
        api.create_repo(REPO)
    assert status_of(error) == 409


def test_a_name_without_a_namespace_is_my_own(api):
    assert api.create_repo("small").repo_id == "ada/small"


def test_there_are_only_models(api):
    with pytest.raises(HfHubHTTPError, match="only models"):
        api.create_repo(REPO, repo_type="dataset")


def test_a_deleted_repository_is_gone(hub, api, stranger):
    hub.seed(REPO, {"a.bin": b"weights"})
    with pytest.raises(HfHubHTTPError) as error:
        stranger.delete_repo(REPO)
    assert status_of(error) == 403
    api.delete_repo(REPO)
    assert not api.repo_exists(REPO)
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo(REPO)
    api.delete_repo(REPO, missing_ok=True)


def test_what_is_not_there_has_an_error_of_its_own(hub, api, nobody, tmp_path):
    with pytest.raises(RepositoryNotFoundError) as error:
        api.model_info(REPO)
    assert status_of(error) == 404
    with pytest.raises(RepositoryNotFoundError) as error:
        nobody.model_info(REPO)
    assert status_of(error) == 401
    commit = hub.seed(REPO, {"a.txt": b"text"})
    with pytest.raises(RevisionNotFoundError):
        api.model_info(REPO, revision="v9")
    with pytest.raises(RevisionNotFoundError):
        api.model_info(REPO, revision="0" * 40)
    with pytest.raises(RemoteEntryNotFoundError) as error:
        api.hf_hub_download(REPO, "b.txt", cache_dir=tmp_path)
    assert error.value.response.headers["X-Repo-Commit"] == commit


def test_a_private_repository_is_nobody_elses_business(hub, api, stranger, nobody, tmp_path):
    api.create_repo(REPO, private=True)
    assert api.model_info(REPO).private is True
    for client, status in ((stranger, 404), (nobody, 401)):
        for ask in (
            lambda c: c.model_info(REPO),
            lambda c: list(c.list_repo_tree(REPO)),
            lambda c: c.auth_check(REPO),
            lambda c: c.hf_hub_download(REPO, ".gitattributes", cache_dir=tmp_path),
        ):
            with pytest.raises(RepositoryNotFoundError) as error:
                ask(client)
            assert status_of(error) == status
    assert HfApi(hub.endpoint, hub.tokens["read"]).model_info(REPO).private
    api.update_repo_settings(REPO, private=False)
    assert nobody.model_info(REPO).private is False


def test_a_gated_repository_shows_its_files_and_keeps_them(hub, api, stranger, nobody, tmp_path):
    hub.seed(REPO, {"a.bin": b"weights"})
    api.update_repo_settings(REPO, gated="manual")
    for client, status in ((stranger, 403), (nobody, 401)):
        assert client.model_info(REPO).gated == "manual"
        assert "a.bin" in client.list_repo_files(REPO)
        for ask in (
            lambda c: c.auth_check(REPO),
            lambda c: c.hf_hub_download(REPO, "a.bin", cache_dir=tmp_path),
        ):
            with pytest.raises(GatedRepoError) as error:
                ask(client)
            assert status_of(error) == status
    assert api.hf_hub_download(REPO, "a.bin", cache_dir=tmp_path)


def test_a_token_of_nobody_is_no_missing_repository(hub):
    hub.seed(REPO, {})
    with pytest.raises(HfHubHTTPError, match="Invalid credentials") as error:
        HfApi(hub.endpoint, "hf_expired").model_info(REPO)
    assert not isinstance(error.value, RepositoryNotFoundError)
    assert status_of(error) == 401


def test_a_token_for_reading_changes_nothing(hub, api):
    head = hub.seed(REPO, {})
    reader = HfApi(hub.endpoint, hub.tokens["read"])
    reader.auth_check(REPO)
    for ask in (
        lambda: reader.create_tag(REPO, tag="v1"),
        lambda: reader.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=REPO),
    ):
        with pytest.raises(HfHubHTTPError, match="you must use a write token") as error:
            ask()
        assert status_of(error) == 403
    with pytest.raises(HfHubHTTPError, match="rights to create a model under the namespace"):
        reader.create_repo("lab/other")
    assert api.model_info(REPO).sha == head


@pytest.mark.skipif(
    "write" not in signature(HfApi.auth_check).parameters, reason="the client is older than 1.5"
)
@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("write", ""),
        ("fine-grained", ""),
        ("read", "you must use a write token"),
        ("outsider", "create_pr=1"),
        (None, "Invalid username or password"),
    ],
)
def test_writing_can_be_asked_for_beforehand(hub, token, message):
    hub.seed(REPO, {})
    client = HfApi(hub.endpoint, hub.tokens[token] if token else False)
    client.auth_check(REPO)
    with pytest.raises(HfHubHTTPError, match=message) if message else nullcontext():
        client.auth_check(REPO, write=True)


def test_a_stranger_may_propose_and_no_more(hub, api, stranger):
    head = hub.seed(REPO, {})
    with pytest.raises(HfHubHTTPError, match="create_pr=1"):
        stranger.create_tag(REPO, tag="v1")
    add = CommitOperationAdd("x.txt", b"x")
    # An addition is announced before it is committed, a deletion is not.
    for operation, route in (
        (add, "preupload"),
        (CommitOperationDelete(".gitattributes"), "commit"),
    ):
        with pytest.raises(HfHubHTTPError, match="create_pr=1"):
            stranger.create_commit(REPO, [operation], commit_message="x")
        assert hub.requests[-1].route == route
    with pytest.raises(HfHubHTTPError, match="rights to create"):
        stranger.create_repo("lab/other")
    proposed = stranger.create_commit(REPO, [add], commit_message="x", create_pr=True)
    assert proposed.pr_revision == "refs/pr/1" and api.model_info(REPO).sha == head


def test_a_fine_grained_token_writes_where_its_scope_is(hub, api):
    scoped = HfApi(hub.endpoint, hub.tokens["fine-grained"])
    with pytest.raises(HfHubHTTPError, match="rights to create"):
        scoped.create_repo(REPO)
    hub.seed(REPO, {})
    hub.seed("lab/large", {})
    scoped.create_tag(REPO, tag="v1")
    with pytest.raises(HfHubHTTPError) as error:
        scoped.create_tag("lab/large", tag="v1")
    assert status_of(error) == 403
    api.update_repo_settings("lab/large", private=True)
    with pytest.raises(RepositoryNotFoundError):
        scoped.model_info("lab/large")


def test_another_user_can_join(hub):
    hub.accounts.add(Token("colleague", "bob", WRITE), "lab", "club")
    colleague = HfApi(hub.endpoint, hub.tokens["colleague"])
    assert {org["name"] for org in colleague.whoami()["orgs"]} == {"lab", "club"}
    colleague.create_repo(REPO)
    colleague.create_repo("club/small")


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_a_full_namespace_takes_no_more(hub, api):
    hub.seed(REPO, {"a.bin": b"weights"})
    hub.quotas["lab"] = hub.store.used("lab") + 100
    head = api.model_info(REPO).sha
    for name in ("large.bin", "regular.txt"):
        with pytest.raises(HfHubHTTPError, match="Storage limit of [0-9]+ bytes") as error:
            api.upload_file(path_or_fileobj=b"x" * 101, path_in_repo=name, repo_id=REPO)
        assert status_of(error) == 403
    assert api.model_info(REPO).sha == head
    api.upload_file(path_or_fileobj=b"x" * 50, path_in_repo="large.bin", repo_id=REPO)
    # Another one's folder is not full, and what is there already takes no room.
    api.upload_file(path_or_fileobj=b"x" * 50, path_in_repo="again.bin", repo_id=REPO)
    api.create_repo("ada/small")
    api.upload_file(path_or_fileobj=b"x" * 101, path_in_repo="large.bin", repo_id="ada/small")


@pytest.mark.parametrize("name", ["lab/..", "../lab", "lab/.hidden"])
def test_a_name_cannot_leave_the_folder(hub, name):
    with pytest.raises(Exception, match="Invalid repository name"):
        hub.store.repo(name)


def test_an_address_that_is_none(hub, api):
    with pytest.raises(HfHubHTTPError, match="can't find the page") as error:
        api.get_user_overview("ada")
    assert status_of(error) == 404 and hub.requests[-1].route == ""

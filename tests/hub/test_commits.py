"""Commits and their names, through the unmodified client."""

import hashlib
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RevisionNotFoundError,
)

from tests.hub.attributes import FIRST, LARGE, is_ignored, is_large

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPO = "lab/small"
CARD = b"---\nlicense: mit\n---\n# A model\n"


@pytest.fixture
def repo(hub) -> str:
    """A repository with the Hub's first commit."""
    with hub.store.lock:
        hub.store.repo(REPO).initialise("ada", private=False)
    return REPO


def add(api: HfApi, repo: str, files: dict[str, bytes], **settings):
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    return api.create_commit(repo, operations, commit_message="release", **settings)


def routes(hub) -> list[str]:
    return [request.route for request in hub.requests]


def test_regular_and_large_files_come_in_one_commit(hub, api, repo):
    hub.part_size = 40_000
    files = {
        "README.md": CARD,
        "state_dict.bin": os.urandom(100_000),
        "samples/a b.png": os.urandom(700),
        "empty.bin": b"",
    }
    head = api.model_info(repo).sha
    made = add(api, repo, files)
    assert str(made) == f"{hub.endpoint}/{repo}/commit/{made.oid}"
    assert api.model_info(repo).sha == made.oid
    newest, before = api.list_repo_commits(repo)
    assert (newest.commit_id, newest.title, newest.authors) == (made.oid, "release", ["ada"])
    assert before.commit_id == head
    assert routes(hub).count("commit") == 1
    # One file in three parts, one whole; the empty one is regular whatever its name.
    assert routes(hub).count("lfs-upload-part") == 3
    assert routes(hub).count("lfs-complete") == routes(hub).count("lfs-upload") == 1
    assert routes(hub).count("lfs-verify") == 2
    tree = {entry.path: entry for entry in api.list_repo_tree(repo, recursive=True)}
    assert sorted(tree) == sorted([*files, "samples", ".gitattributes"])
    for path, content in files.items():
        sha256 = hashlib.sha256(content).hexdigest()
        text = content
        if path in ("state_dict.bin", "samples/a b.png"):
            assert (tree[path].lfs.sha256, tree[path].lfs.size) == (sha256, len(content))
            version = "version https://git-lfs.github.com/spec/v1"
            text = f"{version}\noid sha256:{sha256}\nsize {len(content)}\n".encode()
            assert tree[path].lfs.pointer_size == len(text)
        else:
            assert tree[path].lfs is None
        assert tree[path].size == len(content)
        assert tree[path].blob_id == hashlib.sha1(b"blob %d\0" % len(text) + text).hexdigest()


def test_a_large_file_that_no_pattern_covers_gets_a_line(hub, api, repo, tmp_path):
    add(api, repo, {"samples/a b.png": b"\x89PNG\0", "weights.bin": b"w", "long.txt": "ü".encode()})
    path = api.hf_hub_download(repo, ".gitattributes", cache_dir=tmp_path)
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    assert lines[35:] == ["samples/a[[:space:]]b.png filter=lfs diff=lfs merge=lfs -text"]
    before = api.model_info(repo).sha
    # The line covers it from now on.
    add(api, repo, {"samples/a b.png": b"\x89PNG\0\0"})
    blobs = [
        api.get_paths_info(repo, ".gitattributes", revision=revision)[0].blob_id
        for revision in (before, "main")
    ]
    assert blobs[0] == blobs[1]


def test_what_is_there_already_makes_no_commit(hub, api, repo):
    files = {"README.md": CARD, "a.bin": os.urandom(1000)}
    first = add(api, repo, files)
    hub.requests.clear()
    again = add(api, repo, files)
    assert again.oid == first.oid and "commit" not in routes(hub)
    assert "lfs-upload" not in routes(hub)


def test_a_large_file_is_not_sent_twice(hub, api, repo):
    add(api, repo, {"a.bin": b"weights"})
    hub.requests.clear()
    add(api, repo, {"b.bin": b"weights"})
    assert "commit" in routes(hub) and "lfs-upload" not in routes(hub)


def test_a_commit_onto_what_has_changed_is_refused(api, repo):
    seen = api.model_info(repo).sha
    first = add(api, repo, {"a.txt": b"1"}, parent_commit=seen)
    with pytest.raises(HfHubHTTPError, match="A commit has happened since") as error:
        add(api, repo, {"a.txt": b"2"}, parent_commit=seen)
    assert error.value.response.status_code == 412
    assert api.model_info(repo).sha == first.oid
    assert add(api, repo, {"a.txt": b"2"}, parent_commit=first.oid[:10]).oid != first.oid


def test_of_writers_at_once_one_wins(hub, api):
    writers = 5
    # A tree that takes its time, so that all come while the first is at it.
    hub.seed(REPO, {f"{number}.txt": b"text" for number in range(500)})
    # This opens the client's session; older ones open several when threads are the first to ask.
    seen = api.model_info(REPO).sha
    ready = Barrier(writers)

    def write(number: int) -> int:
        operation = CommitOperationAdd(f"new {number}.txt", b"mine")
        api.preupload_lfs_files(REPO, [operation])
        ready.wait()
        try:
            api.create_commit(REPO, [operation], commit_message="x", parent_commit=seen)
        except HfHubHTTPError as error:
            return error.response.status_code
        return 200

    with ThreadPoolExecutor(writers) as pool:
        assert sorted(pool.map(write, range(writers))) == [200, *[412] * (writers - 1)]
    assert api.list_repo_commits(REPO)[1].commit_id == seen


def test_deletions_ride_along(hub, api):
    hub.seed(REPO, {"a.txt": b"a", "old/b.txt": b"b", "old/c.txt": b"c", "older.txt": b"d"})
    operations = [
        CommitOperationDelete("a.txt"),
        CommitOperationDelete("old/"),
        CommitOperationAdd("new.txt", b"new"),
    ]
    api.create_commit(REPO, operations, commit_message="clean")
    assert api.list_repo_files(REPO) == [".gitattributes", "new.txt", "older.txt"]


@pytest.mark.parametrize("path", ["gone.txt", "gone/"])
def test_what_is_not_there_cannot_be_deleted(api, repo, path):
    head = api.model_info(repo).sha
    operations = [CommitOperationAdd("new.txt", b"new"), CommitOperationDelete(path)]
    with pytest.raises(RemoteEntryNotFoundError, match="differentiate file and folder paths"):
        api.create_commit(repo, operations, commit_message="clean")
    assert api.model_info(repo).sha == head


def test_a_copy_sends_no_bytes(hub, api):
    hub.seed(REPO, {"a.bin": b"weights", "a.txt": b"text"})
    operations = [CommitOperationCopy(f"a.{kind}", f"b.{kind}") for kind in ("bin", "txt")]
    api.create_commit(REPO, operations, commit_message="copy")
    tree = {entry.path: entry.blob_id for entry in api.list_repo_tree(REPO)}
    assert tree["a.bin"] == tree["b.bin"] and tree["a.txt"] == tree["b.txt"]
    assert "lfs-upload" not in routes(hub)


def test_a_commit_needs_the_bytes_that_it_names(hub, api, repo):
    operation = CommitOperationAdd("a.bin", b"weights")
    api.preupload_lfs_files(repo, [operation])
    hub.store.repo(repo).large.path(operation.upload_info.sha256.hex()).unlink()
    with pytest.raises(HfHubHTTPError, match="LFS pointer pointed to a file that does not exist"):
        api.create_commit(repo, [operation], commit_message="release")


def test_a_proposal_leaves_the_branch_alone(api, repo):
    head = api.model_info(repo).sha
    first = add(api, repo, {"a.txt": b"1"}, create_pr=True)
    second = add(api, repo, {"a.txt": b"2"}, create_pr=True, parent_commit=head)
    assert (first.pr_revision, second.pr_num) == ("refs/pr/1", 2)
    assert api.model_info(repo).sha == head
    assert api.model_info(repo, revision="refs/pr/2").sha == second.oid
    refs = api.list_repo_refs(repo, include_pull_requests=True)
    proposed = {ref.ref: ref.target_commit for ref in refs.pull_requests}
    assert proposed == {"refs/pr/1": first.oid, "refs/pr/2": second.oid}
    on_top = add(api, repo, {"b.txt": b"1"})
    # A proposal starts from what its author has seen.
    third = add(api, repo, {"a.txt": b"3"}, create_pr=True, parent_commit=head)
    assert api.list_repo_commits(repo, revision=third.oid)[1].commit_id == head
    fourth = add(api, repo, {"a.txt": b"4"}, create_pr=True)
    assert api.list_repo_commits(repo, revision=fourth.oid)[1].commit_id == on_top.oid
    more = add(api, repo, {"b.txt": b"more"}, revision="refs/pr/1")
    assert [c.commit_id for c in api.list_repo_commits(repo, revision="refs/pr/1")] == [
        more.oid, first.oid, head,
    ]  # fmt: skip


def test_a_tag_stays_where_it_is(hub, api):
    first = hub.seed(REPO, {"a.txt": b"1"})
    api.create_tag(REPO, tag="v1/rc", tag_message="the first")
    hub.seed(REPO, {"a.txt": b"2"})
    with pytest.raises(HfHubHTTPError, match="Tag reference exists already") as error:
        api.create_tag(REPO, tag="v1/rc")
    assert error.value.response.status_code == 409
    api.create_tag(REPO, tag="v1/rc", exist_ok=True)
    api.create_tag(REPO, tag="old", revision=first)
    tags = {tag.name: tag.target_commit for tag in api.list_repo_refs(REPO).tags}
    assert tags == {"v1/rc": first, "old": first}
    assert api.model_info(REPO, revision="v1/rc").sha == first
    api.delete_tag(REPO, tag="v1/rc")
    with pytest.raises(RevisionNotFoundError):
        api.delete_tag(REPO, tag="v1/rc")
    with pytest.raises(RevisionNotFoundError):
        api.create_tag(REPO, tag="v2", revision="gone")
    for revision in ("old", "refs/tags/old"):
        with pytest.raises(RevisionNotFoundError):
            add(api, REPO, {"a.txt": b"3"}, revision=revision)


def test_branches_go_their_own_way(hub, api):
    first = hub.seed(REPO, {"a.txt": b"1"})
    head = hub.seed(REPO, {"a.txt": b"2"})
    api.create_branch(REPO, branch="dev/x")
    api.create_branch(REPO, branch="old", revision=first)
    with pytest.raises(HfHubHTTPError, match="Reference already exists"):
        api.create_branch(REPO, branch="old")
    api.create_branch(REPO, branch="old", exist_ok=True)
    new = add(api, REPO, {"a.txt": b"3"}, revision="dev/x")
    branches = {ref.name: ref.target_commit for ref in api.list_repo_refs(REPO).branches}
    assert branches == {"main": head, "old": first, "dev/x": new.oid}
    api.delete_branch(REPO, branch="old")
    with pytest.raises(RevisionNotFoundError):
        add(api, REPO, {"a.txt": b"4"}, revision="old")
    with pytest.raises(HfHubHTTPError, match="Cannot delete"):
        api.delete_branch(REPO, branch="main")


@pytest.mark.parametrize(
    ("path", "size", "sample", "large"),
    [
        ("state_dict.bin", 7, b"weights", True),
        ("state_dict.bin", 0, b"", False),
        ("long.txt", LARGE + 1, b"text", True),
        ("long.txt", LARGE, b"text", False),
        ("picture.png", 7, b"\x89PNG", True),
        ("zero.txt", 3, b"a\0b", True),
        # Half a character at the end of what is looked at.
        ("texte.txt", 600, ("a" + "é" * 300).encode()[:512], False),
    ],
)
def test_which_files_are_large(path, size, sample, large):
    assert is_large(path, size, sample, FIRST) is large


def test_what_gitignore_names_stays_out(hub, api):
    hub.seed(REPO, {".gitignore": b"# weights\n*.bin\n!keep.bin\nlogs/\n/top.txt\n"})
    add(api, REPO, {"a.bin": b"w", "x/b.bin": b"w", "keep.bin": b"w", "logs/x.txt": b"l",
                    "top.txt": b"t", "x/top.txt": b"t", "x/logs.txt": b"l"})  # fmt: skip
    kept = set(api.list_repo_files(REPO)) - {".gitignore", ".gitattributes"}
    assert kept == {"keep.bin", "x/top.txt", "x/logs.txt"}


@pytest.mark.parametrize(
    ("pattern", "path", "ignored"),
    [
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/*", "a/b", True),
        ("**/b", "x/b", True),
        ("a/b", "x/a/b", False),
        ("?.txt", "ab.txt", False),
        ("a.txt", "axtxt", False),
        ("*", "x/y", True),
    ],
)
def test_patterns_are_gits(pattern, path, ignored):
    assert is_ignored(path, pattern) is ignored


def test_ids_are_gits(hub, tmp_path):
    files = {"a.txt": b"a", "a/b/c.txt": b"c", "a-b": b"", "a.b/ü.txt": "ü".encode()}
    repo = hub.store.repo(REPO)
    hub.seed(REPO, files)
    commit = repo.find("main")
    work = tmp_path / "work"
    for path, file in commit.files.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_bytes(repo.content(file).read_bytes())
    env = {**os.environ, "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        env[f"GIT_{who}_NAME"] = "ada"
        env[f"GIT_{who}_EMAIL"] = "ada@users.noreply.huggingface.co"
        env[f"GIT_{who}_DATE"] = f"{int(commit.date.timestamp())} +0000"

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=work, env=env, capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    git("init", "-q")
    git("add", "--all")
    tree = git("write-tree")
    # Git names a parent without having it, if the commit is written by hand.
    raw = git("commit-tree", "-m", "seed", tree)
    text = git("cat-file", "commit", raw).replace("author", f"parent {commit.parent}\nauthor", 1)
    (tmp_path / "commit").write_text(f"{text}\n", "utf-8")
    assert git("hash-object", "-t", "commit", str(tmp_path / "commit")) == commit.oid


@pytest.mark.parametrize(
    "card",
    [b"---\nlicense: MIT License\n---\n", b"---\nlicense: mit\n"],
    ids=["license", "end"],
)
def test_a_card_that_the_hub_does_not_take(api, repo, card):
    head = api.model_info(repo).sha
    with pytest.raises(ValueError, match="Invalid metadata"):
        add(api, repo, {"README.md": card})
    assert api.model_info(repo).sha == head


def test_a_card_without_metadata_is_warned_of(api, repo):
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        add(api, repo, {"README.md": b"# A model"})

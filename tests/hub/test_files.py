"""What is in a repository: listings, and the files as they come back."""

import hashlib
import json
import os
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from huggingface_hub import get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import RemoteEntryNotFoundError

REPO = "lab/small"
FILES = {
    "README.md": "# A modél\n".encode(),
    "state_dict.bin": os.urandom(300_000),
    "samples/a b é.wav": b"RIFF\0" + os.urandom(1000),
    "samples/deep/notes.txt": b"notes",
}
FOLDERS = ["samples", "samples/deep"]


@pytest.fixture
def commit(hub) -> str:
    return hub.seed(REPO, FILES)


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Ask without the client, following redirects."""
    request = Request(url, headers=headers, method=method)
    try:
        with urlopen(request) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def test_a_snapshot_is_what_was_sent(api, commit, tmp_path):
    root = Path(api.snapshot_download(REPO, cache_dir=tmp_path))
    assert root.name == commit
    for path, content in FILES.items():
        assert (root / path).read_bytes() == content
    assert len([path for path in root.rglob("*") if path.is_file()]) == len(FILES) + 1


def test_a_file_of_an_older_commit(hub, api, commit, tmp_path):
    later = hub.seed(REPO, {"state_dict.bin": b"other"})
    for revision, content in ((commit, FILES["state_dict.bin"]), (later, b"other")):
        path = Path(
            api.hf_hub_download(REPO, "state_dict.bin", revision=revision, cache_dir=tmp_path)
        )
        assert path.read_bytes() == content and path.parent.name == revision


def test_the_tree_comes_in_pages(hub, api, commit):
    whole = list(api.list_repo_tree(REPO, recursive=True))
    assert [entry.path for entry in whole] == sorted([".gitattributes", *FILES, *FOLDERS])
    hub.page_size = 2
    hub.requests.clear()
    assert list(api.list_repo_tree(REPO, recursive=True)) == whole
    assert len(hub.requests) == 4
    assert [entry.path for entry in api.list_repo_tree(REPO)] == [
        ".gitattributes", "README.md", "samples", "state_dict.bin",
    ]  # fmt: skip
    below = list(api.list_repo_tree(REPO, "samples", expand=True))
    assert [entry.path for entry in below] == ["samples/a b é.wav", "samples/deep"]
    with pytest.raises(RemoteEntryNotFoundError):
        list(api.list_repo_tree(REPO, "gone"))


def test_all_listings_agree(api, commit):
    tree = {entry.path: entry for entry in api.list_repo_tree(REPO, recursive=True)}
    paths = [*FILES, *FOLDERS, "gone.txt"]
    asked = api.get_paths_info(REPO, paths, revision=commit)
    assert {entry.path for entry in asked} == {*FILES, *FOLDERS}
    assert all(tree[entry.path] == entry for entry in asked)
    siblings = api.model_info(REPO, files_metadata=True).siblings
    assert len(siblings) == len(FILES) + 1
    for file in siblings:
        entry = tree[file.rfilename]
        assert (file.size, file.blob_id) == (entry.size, entry.blob_id)
        assert file.lfs == entry.lfs
    assert {file.size for file in api.model_info(REPO).siblings} == {None}


@pytest.mark.parametrize("name", ["README.md", "state_dict.bin"])
def test_the_metadata_of_a_file_is_what_the_listing_says(hub, api, commit, name):
    url = hf_hub_url(REPO, name, endpoint=hub.endpoint)
    metadata = get_hf_file_metadata(url, token=False)
    (entry,) = api.get_paths_info(REPO, name)
    assert metadata.commit_hash == commit and metadata.size == len(FILES[name])
    assert metadata.etag == (entry.lfs.sha256 if entry.lfs else entry.blob_id)
    # The client does not take its token to the content network.
    elsewhere = metadata.location.startswith(f"http://localhost:{hub.port}/")
    assert elsewhere is (name == "state_dict.bin")
    if elsewhere:
        status, headers, _ = ask(metadata.location, Authorization="Bearer x")
        assert (status, headers["X-Error-Message"]) == (400, "Only one auth mechanism allowed")


@pytest.mark.parametrize("name", ["README.md", "state_dict.bin"])
@pytest.mark.parametrize(
    ("asked", "part"),
    [("bytes=0-0", slice(0, 1)), ("bytes=3-", slice(3, None)), ("bytes=-4", slice(-4, None)),
     ("bytes=2-999999999", slice(2, None)), ("bytes=-999999999", slice(None))],
)  # fmt: skip
def test_a_part_of_a_file(hub, commit, name, asked, part):
    content = FILES[name]
    status, headers, body = ask(f"{hub.endpoint}/{REPO}/resolve/main/{name}", Range=asked)
    assert status == 206 and body == content[part]
    start, stop, _ = part.indices(len(content))
    assert headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(content)}"


def test_a_part_behind_the_end(hub, commit):
    size = len(FILES["README.md"])
    url = f"{hub.endpoint}/{REPO}/resolve/main/README.md"
    status, headers, _ = ask(url, Range=f"bytes={size}-")
    assert status == 416 and headers["Content-Range"] == f"bytes */{size}"
    assert ask(url, Range="bytes=-")[0] == 200


def test_a_head_has_no_body(hub, commit):
    status, headers, body = ask(f"{hub.endpoint}/{REPO}/resolve/main/README.md", "HEAD")
    assert (status, body) == (200, b"")
    assert headers["Content-Length"] == str(len(FILES["README.md"]))
    assert headers["Accept-Ranges"] == "bytes"


def test_a_body_may_come_in_chunks(hub, commit):
    blocks = [os.urandom(size) for size in (1, 100_000, 3)]
    sha256 = hashlib.sha256(b"".join(blocks)).hexdigest()
    url = hub.storage_url(hub.store.repo(REPO), sha256)
    with closing(HTTPConnection("127.0.0.1", hub.port)) as connection:
        # The second one shows that nothing of the first is left on the connection.
        for _ in range(2):
            connection.request("PUT", urlsplit(url).path, iter(blocks), encode_chunked=True,
                               headers={"Transfer-Encoding": "chunked"})  # fmt: skip
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"")
    assert ask(url)[2] == b"".join(blocks)


def test_parts_are_put_together_only_when_all_are_there(hub, commit):
    content = os.urandom(30)
    sha256 = hashlib.sha256(content).hexdigest()
    url = hub.storage_url(hub.store.repo(REPO), sha256)

    def send(address: str, body: bytes, method: str) -> tuple[int, str]:
        try:
            with urlopen(Request(address, data=body, method=method)) as answer:
                return answer.status, answer.headers.get("ETag", "")
        except HTTPError as error:
            with error:
                return error.code, ""

    def complete(*tags: str) -> int:
        parts = [{"partNumber": n, "etag": tag} for n, tag in enumerate(tags, 1)]
        body = json.dumps({"oid": sha256, "parts": parts}).encode()
        address = f"{hub.endpoint}/api/complete_multipart/{REPO}/{sha256}"
        return send(address, body, "POST")[0]

    _, first = send(f"{url}/parts/1", content[:20], "PUT")
    assert complete(first, first) == 400
    _, second = send(f"{url}/parts/2", content[20:], "PUT")
    assert complete(first, first) == 400
    assert complete(first) == 400
    assert ask(url)[0] == 404
    assert complete(first, second) == 200
    assert ask(url)[2] == content


def test_an_object_that_is_not_its_name_is_not_kept(hub, commit):
    url = hub.storage_url(hub.store.repo(REPO), "0" * 64)
    request = Request(url, data=b"other", method="PUT")
    with pytest.raises(HTTPError) as error:
        urlopen(request)
    error.value.close()
    assert error.value.code == 400 and ask(url)[0] == 404
    assert not any(path.name.startswith(".") for path in hub.store.folder.rglob("large/*"))

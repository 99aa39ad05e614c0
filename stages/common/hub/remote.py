"""What a repository holds at a commit, and where its page is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from pipeline.errors import SourceError
from stages.common.hub.contents import HeldFile, Tree
from stages.common.hub.downloading import VERIFYING, translated
from stages.common.hub.endpoint import own_endpoint, own_token
from stages.common.hub.failure import http_error
from stages.common.hub.names import is_repo_id

_PAGE = re.compile(r"(?P<id>[^/]+/[^/]+?)(?:/(?:tree|blob|resolve)/(?P<revision>[^/]+).*)?/*")


@dataclass(frozen=True)
class RemoteTree:
    """All files of a repository at one commit.

    Attributes:
        repo_id: ``org/name``.
        commit: 40 hex digits.
        files: by path, by the Hub's word.
        endpoint: the Hub's address; ``None`` for the client's own.
    """

    repo_id: str
    commit: str
    files: Tree
    endpoint: str | None = None


def tree(repo_id: str, revision: str = "main", endpoint: str | None = None) -> RemoteTree | None:
    """List a repository's files with sizes and digests; none of them is downloaded.

    Args:
        repo_id: ``org/name``.
        revision: a branch, a tag or a commit.
        endpoint: the Hub's address; by default the client's own.

    Returns:
        The files; ``None`` when the Hub cannot be reached, or ``HF_HUB_OFFLINE=1`` is set.

    Raises:
        SourceError: when it is not there, not accessible, or the Hub refuses.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.hf_api import RepoFile

    if constants.HF_HUB_OFFLINE:
        return None
    api = HfApi(endpoint, token=own_token(endpoint))
    with translated(repo_id, "file list", revision, endpoint, VERIFYING):
        try:
            commit = str(api.model_info(repo_id, revision=revision).sha)
            entries = list(api.list_repo_tree(repo_id, revision=commit, recursive=True))
        except HfHubHTTPError:
            raise
        except (http_error(), ConnectionError):
            return None
    files = {entry.path: held(entry) for entry in entries if isinstance(entry, RepoFile)}
    return RemoteTree(repo_id, commit, files, endpoint)


def part(tree: RemoteTree, name: str, start: int, length: int) -> bytes:
    """Read a part of a file of a repository.

    Args:
        tree: the repository at a commit.
        name: the file's path.
        start: the first byte.
        length: how many bytes; all of them have to be there.

    Raises:
        SourceError: when it cannot be read, or the server gives anything but that part.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        get_session,
        hf_raise_for_status,
    )

    repo_id, commit = tree.repo_id, tree.commit
    url = hf_hub_url(repo_id, name, revision=commit, endpoint=tree.endpoint)
    headers = {
        **build_hf_headers(token=own_token(tree.endpoint)),
        "Range": f"bytes={start}-{start + length - 1}",
    }
    with translated(repo_id, name, commit, tree.endpoint, VERIFYING):
        try:
            # Streamed: whoever does not heed the range sends gigabytes.
            with get_session().stream(
                "GET", url, headers=headers, follow_redirects=True
            ) as response:
                hf_raise_for_status(response)
                content = response.read() if response.status_code == 206 else b""
        except HfHubHTTPError:
            raise
        except http_error() as error:
            raise OSError(str(error)) from error
    if len(content) != length:
        what = f"{name} of {repo_id} cannot be read in parts."
        raise SourceError(what, url, "--download reads all of it.")
    return content


def held(entry: Any) -> HeldFile:
    """Read the client's description of a file, a ``RepoFile``."""
    sha256 = entry.lfs.sha256 if entry.lfs else None
    return HeldFile(entry.path, entry.size, entry.blob_id, sha256)


def page_of(url: str) -> tuple[str, str | None] | None:
    """Give the repository and the revision whose page an address is; ``None`` for any other."""
    prefix = f"{own_endpoint()}/"
    path = url.partition("?")[0].partition("#")[0]
    found = _PAGE.fullmatch(path.removeprefix(prefix)) if path.startswith(prefix) else None
    if found is None or not is_repo_id(found["id"]):
        return None
    return found["id"], found["revision"] and unquote(found["revision"])

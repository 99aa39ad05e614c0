"""What is in a repository, and its files themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

from tests.hub import git, refusals
from tests.hub.exchange import Answer, Call, as_date, as_json
from tests.hub.git import File
from tests.hub.refusals import RefusalError


def information(call: Call) -> Answer:
    """Describe a repository at a revision; with ``blobs``, its files as well."""
    repo = call.repo()
    commit = repo.find(call.names.get("rev", "main"))
    settings = repo.settings
    siblings: list[dict[str, Any]] = []
    for path, file in sorted(commit.files.items()):
        sibling: dict[str, Any] = {"rfilename": path}
        if call.query.get("blobs"):
            sibling |= {"size": file.size, "blobId": file.oid}
            if file.sha256:
                sizes = {"size": file.size, "pointerSize": _pointer_size(file)}
                sibling["lfs"] = {"sha256": file.sha256, **sizes}
        siblings.append(sibling)
    return as_json(
        {
            "id": repo.id,
            "modelId": repo.id,
            "author": repo.namespace,
            "sha": commit.oid,
            "createdAt": as_date(datetime.fromisoformat(settings["created"])),
            "lastModified": as_date(commit.date),
            "private": settings["private"],
            "gated": settings["gated"],
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "siblings": siblings,
        }
    )


def tree(call: Call) -> Answer:
    """List a folder page by page; ``expand`` is understood and adds nothing."""
    repo, rev, folder = call.repo(), call.names["rev"], call.names.get("path", "")
    commit = repo.find(rev)
    inside = f"{folder}/" if folder else ""
    entries = [entry for entry in _entries(commit.files) if entry["path"].startswith(inside)]
    if folder and not entries:
        message = f'"{folder}" does not exist on "{rev}"'
        raise refusals.no_entry(message, commit.oid)
    if call.query.get("recursive", "").lower() not in ("true", "1"):
        entries = [entry for entry in entries if "/" not in entry["path"].removeprefix(inside)]
    start = int(call.query.get("cursor", 0))
    stop = start + call.hub.page_size
    headers = {}
    if stop < len(entries):
        path = f"/api/models/{repo.id}/tree/{quote(rev, safe='')}"
        path += f"/{quote(folder, safe='')}" if folder else ""
        query = urlencode({**call.query, "cursor": stop})
        headers["Link"] = f'<{call.hub.endpoint}{path}?{query}>; rel="next"'
    return as_json(entries[start:stop], headers=headers)


def paths_info(call: Call) -> Answer:
    """Describe the asked paths; those that are not there are left out."""
    commit = call.repo().find(call.names["rev"])
    asked = set(parse_qs(call.content().decode()).get("paths", []))
    return as_json([entry for entry in _entries(commit.files) if entry["path"] in asked])


def resolve(call: Call) -> Answer:
    """Give a regular file, or say where the content network has a large one."""
    repo, path = call.opened(), call.names["path"]
    commit = repo.find(call.names["rev"])
    file = commit.files.get(path)
    if file is None:
        raise refusals.no_entry("Entry not found", commit.oid)
    headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{file.etag}"'}
    if file.sha256 is None:
        headers["Content-Disposition"] = f"inline; filename*=UTF-8''{quote(path)}"
        return call.ranged(repo.content(file), headers)
    linked = {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
    location = {"Location": call.hub.storage_url(repo, file.sha256)}
    return Answer(b"", 302, {**headers, **linked, **location})


def download(call: Call) -> Answer:
    """Give a large object, as the content network does: it wants no token and refuses one."""
    demand_no_token(call)
    sha256 = call.names["oid"]
    large = call.hub.store.repo(call.names["repo"]).large
    if large.size(sha256) is None:
        raise RefusalError(404, "NoSuchKey")
    return call.ranged(large.path(sha256), {"ETag": f'"{sha256}"'})


def demand_no_token(call: Call) -> None:
    """Refuse a token: a signed address is authentication enough, and a bucket fails on two.

    Raises:
        RefusalError: when there is one; it has leaked to another origin.
    """
    if "Authorization" in call.headers:
        raise RefusalError(400, "Only one auth mechanism allowed")


def _entries(files: Mapping[str, File]) -> list[dict[str, Any]]:
    """Describe all folders and files, sorted by path."""
    trees = [
        {"type": "directory", "path": path, "oid": oid, "size": 0}
        for path, oid in git.folders(files).items()
        if path
    ]
    found = [_entry(path, file) for path, file in files.items()]
    return sorted([*trees, *found], key=lambda entry: str(entry["path"]))


def _entry(path: str, file: File) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "oid": file.oid, "size": file.size}
    if file.sha256:
        sizes = {"size": file.size, "pointerSize": _pointer_size(file)}
        entry["lfs"] = {"oid": file.sha256, **sizes}
    return entry


def _pointer_size(file: File) -> int:
    return len(git.pointer(file.sha256 or "", file.size))

"""A commit: all of it or none of it, and only onto what the client has seen."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

from tests.hub import git, refusals
from tests.hub.api.uploads import demand_space
from tests.hub.exchange import Answer, Call, as_json
from tests.hub.git import File
from tests.hub.refusals import RefusalError
from tests.hub.repo import Commit, Repo

_LICENSE = re.compile(r"""^license:[ \t]*["']?(.*?)["']?[ \t]*$""", re.MULTILINE)


def validate_card(call: Call) -> Answer:
    """Look at the metadata of a model card: that it is closed, and its license's form.

    The real Hub knows much more. This is enough to see that a client heeds what it is told.
    """
    text = call.json()["content"]
    if not text.startswith("---\n"):
        what = "empty or missing yaml metadata in repo card"
        return as_json({"errors": [], "warnings": [{"message": what}]})
    metadata, closed, _ = f"{text}\n".removeprefix("---").partition("\n---\n")
    errors = [] if closed else ["The metadata has no end: a line of three dashes."]
    found = _LICENSE.search(metadata)
    if found and not re.fullmatch(r"[a-z0-9.+-]*", found[1]):
        errors.append(f'"license" must be one of the known ids, not {found[1]}')
    messages = [{"message": message} for message in errors]
    return as_json({"errors": messages, "warnings": []}, 400 if errors else 200)


def commit(call: Call) -> Answer:
    """Add a commit to a branch, or propose it in a pull request."""
    proposed = bool(call.query.get("create_pr"))
    repo = call.contributed() if proposed else call.written()
    header, *operations = [json.loads(line) for line in call.content().splitlines()]
    if header["key"] != "header":
        raise RefusalError(400, "The first line must be the header.")
    said = header["value"]
    with call.hub.store.lock:
        parent = _parent(repo, call.names["rev"], said.get("parentCommit"), proposed)
        demand_space(call, repo, sum(_size(operation) for operation in operations))
        files = _applied(repo, parent, operations)
        words = (said["summary"], said.get("description", ""))
        new = repo.add_commit(parent.oid, files, call.user().user, *words)
        url = call.hub.url(repo)
        answer = {"success": True, "commitOid": new.oid, "commitUrl": f"{url}/commit/{new.oid}"}
        if proposed:
            number = 1 + sum(ref.startswith("refs/pr/") for ref in repo.refs)
            repo.set_ref(f"refs/pr/{number}", new.oid)
            answer["pullRequestUrl"] = f"{url}/discussions/{number}"
        else:
            repo.set_ref(repo.branch(call.names["rev"]), new.oid)
    return as_json(answer)


def _parent(repo: Repo, revision: str, seen: str | None, proposed: bool) -> Commit:
    """Give the commit to build on: what the client has seen, which a branch must still be at."""
    if proposed:
        return repo.find(seen or revision)
    head = repo.commit(repo.refs[repo.branch(revision)])
    if seen and not head.oid.startswith(seen):
        raise RefusalError(412, "A commit has happened since. Please refresh and try again.")
    return head


def _size(operation: Mapping[str, Any]) -> int:
    """Bytes that an operation adds; large files have been counted when they came."""
    return len(_content(operation["value"])) if operation["key"] == "file" else 0


def _content(value: Mapping[str, Any]) -> bytes:
    if value.get("encoding") == "base64":
        return base64.b64decode(value["content"])
    return str(value["content"]).encode()


def _applied(repo: Repo, parent: Commit, operations: list[dict[str, Any]]) -> dict[str, File]:
    """Give the tree after the operations; files that nobody names may be left behind."""
    files = dict(parent.files)
    for operation in operations:
        key, value = operation["key"], operation["value"]
        path = value["path"]
        if key == "file":
            files[path] = repo.keep(_content(value))
        elif key == "lfsFile":
            files[path] = _uploaded(repo, path, value["oid"])
        elif key == "deletedFile":
            if files.pop(path, None) is None:
                raise refusals.no_entry("A file with this name doesn't exist", parent.oid)
        elif key == "deletedFolder":
            inside = [name for name in files if name.startswith(path.rstrip("/") + "/")]
            if not inside:
                raise refusals.no_entry("A file with this name doesn't exist", parent.oid)
            for name in inside:
                del files[name]
        else:
            raise RefusalError(400, f"There is no operation {key!r}.")
    return files


def _uploaded(repo: Repo, path: str, sha256: str) -> File:
    size = repo.large.size(sha256)
    if size is None:
        what = "Your push was rejected because an LFS pointer pointed to a file that does not exist"
        raise RefusalError(400, f"{what}. Offending file: {path}")
    return git.large(sha256, size)

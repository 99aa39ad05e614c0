"""The names of commits: branches, tags and pull requests, and what came before."""

from __future__ import annotations

from tests.hub import refusals
from tests.hub.exchange import Answer, Call, as_date, as_json
from tests.hub.refusals import RefusalError

_KINDS = {"refs/heads/": "branches", "refs/tags/": "tags", "refs/pr/": "pullRequests"}


def refs(call: Call) -> Answer:
    """List all names; pull requests only when asked for."""
    found: dict[str, list[dict[str, str]]] = {"branches": [], "tags": [], "converts": []}
    if call.query.get("include_prs"):
        found["pullRequests"] = []
    for ref, commit in call.repo().refs.items():
        prefix = next(prefix for prefix in _KINDS if ref.startswith(prefix))
        # A pull request has no shorter name.
        name = ref if prefix == "refs/pr/" else ref.removeprefix(prefix)
        entry = {"name": name, "ref": ref, "targetCommit": commit}
        found.get(_KINDS[prefix], []).append(entry)
    return as_json(found)


def proposals(call: Call) -> Answer:
    """List the pull requests, the newest first; ``closed`` in the settings says which are."""
    repo = call.repo()
    closed, wanted = repo.settings.get("closed", []), call.query.get("status")
    numbers = [int(ref.removeprefix("refs/pr/")) for ref in repo.refs if ref.startswith("refs/pr/")]
    found = []
    for number in sorted(numbers, reverse=True):
        status = "closed" if number in closed else "open"
        if wanted in (None, status):
            first = repo.commit(repo.refs[f"refs/pr/{number}"])
            told = {"title": first.title, "author": {"name": first.author}, "isPullRequest": True}
            told |= {"status": status, "num": number, "createdAt": as_date(first.date)}
            found.append({**told, "repo": {"name": call.names["repo"], "type": "model"}})
    return as_json({"discussions": found, "count": len(found), "start": 0})


def commits(call: Call) -> Answer:
    """List a commit and all before it, the newest first."""
    repo = call.repo()
    return as_json(
        [
            {
                "id": commit.oid,
                "title": commit.title,
                "message": commit.message,
                "date": as_date(commit.date),
                "authors": [{"user": commit.author}],
            }
            for commit in repo.history(repo.find(call.names["rev"]))
        ]
    )


def tag(call: Call) -> Answer:
    """Name a commit for good."""
    name = call.json()["tag"]
    return _add(call, f"refs/tags/{name}", call.names["rev"], "Tag reference exists already")


def branch(call: Call) -> Answer:
    """Start a branch, at the head of main if not said otherwise."""
    start = call.json().get("startingPoint", "main")
    return _add(call, f"refs/heads/{call.names['rev']}", start, "Reference already exists")


def delete_tag(call: Call) -> Answer:
    """Forget a tag."""
    return _delete(call, f"refs/tags/{call.names['rev']}")


def delete_branch(call: Call) -> Answer:
    """Forget a branch; its commits stay."""
    return _delete(call, f"refs/heads/{call.names['rev']}")


def _add(call: Call, ref: str, start: str, taken: str) -> Answer:
    repo = call.written()
    with call.hub.store.lock:
        if ref in repo.refs:
            raise RefusalError(409, taken)
        repo.set_ref(ref, repo.find(start).oid)
    return as_json({})


def _delete(call: Call, ref: str) -> Answer:
    repo = call.written()
    if ref == "refs/heads/main":
        raise RefusalError(403, f"Cannot delete {ref}")
    with call.hub.store.lock:
        if ref not in repo.refs:
            raise refusals.no_revision(ref)
        repo.set_ref(ref, None)
    return as_json({})

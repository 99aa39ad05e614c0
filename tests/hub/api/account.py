"""Who am I, and which repositories may I make?"""

from __future__ import annotations

from typing import Any

from tests.hub.accounts import FINE_GRAINED, READ, Token
from tests.hub.exchange import Answer, Call, as_json
from tests.hub.refusals import RefusalError, no_repository
from tests.hub.repo import Repo


def whoami(call: Call) -> Answer:
    """Describe the user and the token."""
    token = call.user()
    access: dict[str, Any] = {"displayName": token.name, "role": token.role}
    if token.role == FINE_GRAINED:
        access["fineGrained"] = {"global": [], "scoped": [_scope(name) for name in token.scopes]}
    organisations = call.hub.accounts.organisations_of(token.user)
    return as_json(
        {
            "type": "user",
            "name": token.user,
            "fullname": token.user.title(),
            "orgs": [{"type": "org", "name": name} for name in organisations],
            "auth": {"type": "access_token", "accessToken": access},
        }
    )


def create(call: Call) -> Answer:
    """Make a repository, with the first commit that the Hub makes."""
    token, asked = call.user(), call.json()
    repo = _named(call, token, asked)
    if token.role == READ or not call.hub.accounts.reaches(token, repo.namespace):
        what = "You don't have the rights to create a model under the namespace"
        raise RefusalError(403, f'{what} "{repo.namespace}".')
    # Older clients say "private", newer ones "visibility".
    private = asked.get("visibility") == "private" or bool(asked.get("private"))
    url = call.hub.url(repo)
    with call.hub.store.lock:
        if repo.exists:
            message = "You already created this model repo"
            raise RefusalError(409, message, fields={"url": url})
        repo.initialise(token.user, private)
    return as_json({"url": url, "name": repo.id, "id": repo.id})


def delete(call: Call) -> Answer:
    """Remove a repository."""
    token = call.user()
    repo = _named(call, token, call.json())
    reaches = call.hub.accounts.reaches(token, repo.id)
    with call.hub.store.lock:
        if not repo.exists or (repo.settings["private"] and not reaches):
            raise no_repository()
        if token.role == READ or not reaches:
            raise RefusalError(403, "You don't have the rights to delete this repository.")
        call.hub.store.remove(repo)
    return as_json({})


def change_settings(call: Call) -> Answer:
    """Make a repository private, public or gated."""
    repo, asked = call.written(), call.json()
    changes = {"gated": asked["gated"]} if "gated" in asked else {}
    if "visibility" in asked or "private" in asked:
        changes["private"] = asked.get("visibility") == "private" or bool(asked.get("private"))
    with call.hub.store.lock:
        repo.change_settings(**changes)
    return as_json(repo.settings)


def check_reading(call: Call) -> Answer:
    """Tell whether the files of a repository may be read."""
    call.opened()
    return as_json({})


def check_writing(call: Call) -> Answer:
    """Tell whether a repository may be changed."""
    call.written()
    return as_json({})


def _named(call: Call, token: Token, asked: dict[str, Any]) -> Repo:
    """Give the repository that a request names; this Hub keeps models only."""
    if asked.get("type") not in (None, "model"):
        raise RefusalError(400, f"There are only models here, no {asked['type']}s.")
    return call.hub.store.repo(f"{asked.get('organization') or token.user}/{asked['name']}")


def _scope(name: str) -> dict[str, Any]:
    kind = "model" if "/" in name else "org"
    permissions = ["repo.content.read", "repo.write"]
    return {"entity": {"type": kind, "name": name}, "permissions": permissions}

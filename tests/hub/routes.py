"""Every address that is understood, by the name under which faults and the log know it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

from tests.hub.api import account, commits, content, revisions, uploads
from tests.hub.exchange import Answer, Call

_PARTS = {
    "repo": r"[^/]+/[^/]+?",
    "rev": r"[^/]+",
    "path": r".+",
    "oid": r"[0-9a-f]{64}",
    "part": r"\d+",
}


@dataclass(frozen=True)
class Route:
    """One kind of request.

    Attributes:
        name: to plan faults and read the log by.
        methods: of HTTP, divided by spaces.
        address: the path; names in braces are what `_PARTS` allows, and are given unquoted.
        answer: what does the work.
    """

    name: str
    methods: str
    address: str
    answer: Callable[[Call], Answer]

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\\{(\w+)\\}", _named, re.escape(self.address)))

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Give the named parts of a path; ``None`` when it is not of this kind."""
        if method not in self.methods.split():
            return None
        found = self._expression.fullmatch(path)
        return found and {name: unquote(text) for name, text in found.groupdict().items()}


def _named(braces: re.Match[str]) -> str:
    return f"(?P<{braces[1]}>{_PARTS[braces[1]]})"


_MODEL = "/api/models/{repo}"
_LFS = "/{repo}.git/info/lfs/objects"
_BUCKET = "/storage/{repo}/{oid}"

ROUTES = (
    Route("whoami", "GET", "/api/whoami-v2", account.whoami),
    Route("create-repo", "POST", "/api/repos/create", account.create),
    Route("delete-repo", "DELETE", "/api/repos/delete", account.delete),
    Route("settings", "PUT", _MODEL + "/settings", account.change_settings),
    Route("auth-check", "GET", _MODEL + "/auth-check", account.check_reading),
    Route("auth-check", "GET", _MODEL + "/auth-check/write", account.check_writing),
    Route("refs", "GET", _MODEL + "/refs", revisions.refs),
    Route("discussions", "GET", _MODEL + "/discussions", revisions.proposals),
    Route("commits", "GET", _MODEL + "/commits/{rev}", revisions.commits),
    Route("tag", "POST", _MODEL + "/tag/{rev}", revisions.tag),
    Route("delete-tag", "DELETE", _MODEL + "/tag/{rev}", revisions.delete_tag),
    Route("branch", "POST", _MODEL + "/branch/{rev}", revisions.branch),
    Route("delete-branch", "DELETE", _MODEL + "/branch/{rev}", revisions.delete_branch),
    Route("tree", "GET", _MODEL + "/tree/{rev}", content.tree),
    Route("tree", "GET", _MODEL + "/tree/{rev}/{path}", content.tree),
    Route("paths-info", "POST", _MODEL + "/paths-info/{rev}", content.paths_info),
    Route("validate-yaml", "POST", "/api/validate-yaml", commits.validate_card),
    Route("preupload", "POST", _MODEL + "/preupload/{rev}", uploads.preupload),
    Route("commit", "POST", _MODEL + "/commit/{rev}", commits.commit),
    Route("lfs-batch", "POST", _LFS + "/batch", uploads.batch),
    Route("lfs-verify", "POST", _LFS + "/verify", uploads.verify),
    Route("lfs-complete", "POST", "/api/complete_multipart/{repo}/{oid}", uploads.complete),
    Route("lfs-upload", "PUT", _BUCKET, uploads.upload),
    Route("lfs-upload-part", "PUT", _BUCKET + "/parts/{part}", uploads.upload_part),
    Route("lfs-download", "GET HEAD", _BUCKET, content.download),
    Route("resolve", "GET HEAD", "/{repo}/resolve/{rev}/{path}", content.resolve),
    Route("info", "GET", _MODEL, content.information),
    Route("info", "GET", _MODEL + "/revision/{rev}", content.information),
)


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """Give the route of a request, with the named parts of its path."""
    for route in ROUTES:
        names = route.match(method, path)
        if names is not None:
            return route, names
    return None

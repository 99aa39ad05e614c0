"""Bytes on their way in: how each file is to be sent, and where to."""

from __future__ import annotations

import base64
from math import ceil
from typing import Any

from tests.hub.api.content import demand_no_token
from tests.hub.attributes import is_ignored, is_large
from tests.hub.exchange import Answer, Call, as_json
from tests.hub.refusals import RefusalError
from tests.hub.repo import Repo


def preupload(call: Call) -> Answer:
    """Say of each file whether it is large, ignored, and what is there already."""
    repo = call.contributed() if call.query.get("create_pr") else call.written()
    asked = call.json()
    commit = repo.find(call.names["rev"])
    attributes = repo.text(commit.files, ".gitattributes")
    ignore = asked.get("gitIgnore") or repo.text(commit.files, ".gitignore")
    files = []
    for sent in asked["files"]:
        path = sent["path"]
        there = commit.files.get(path)
        large = is_large(path, sent["size"], base64.b64decode(sent["sample"]), attributes)
        files.append(
            {
                "path": path,
                "uploadMode": "lfs" if large else "regular",
                "shouldIgnore": is_ignored(path, ignore),
                **({"oid": there.etag} if there else {}),
            }
        )
    return as_json({"files": files, "commitOid": commit.oid})


def batch(call: Call) -> Answer:
    """Say where each large file goes; nowhere when it is there already.

    Source: the batch API of git-lfs; transfers "basic" and, for more than one part, "multipart".
    """
    repo, asked = call.contributed(), call.json()
    if asked.get("operation") != "upload" or "basic" not in asked.get("transfers", []):
        raise RefusalError(422, "Only uploads by the basic or multipart transfer are understood.")
    missing = [sent for sent in asked["objects"] if repo.large.size(sent["oid"]) is None]
    demand_space(call, repo, sum(sent["size"] for sent in missing))
    objects = []
    for sent in asked["objects"]:
        entry = {"oid": sent["oid"], "size": sent["size"]}
        if sent in missing:
            entry["actions"] = _actions(call, repo, sent["oid"], sent["size"])
        objects.append(entry)
    return as_json({"transfer": "multipart", "objects": objects})


def verify(call: Call) -> Answer:
    """Tell whether a large file has arrived."""
    repo, asked = call.contributed(), call.json()
    if repo.large.size(asked["oid"]) != asked["size"]:
        raise RefusalError(404, f"There is no object {asked['oid']} of {asked['size']} bytes.")
    return as_json({})


def upload(call: Call) -> Answer:
    """Take a large file in one piece."""
    demand_no_token(call)
    _target(call).large.receive(call.names["oid"], call.body.blocks())
    return Answer()


def upload_part(call: Call) -> Answer:
    """Take one part of a large file."""
    demand_no_token(call)
    large, number = _target(call).large, int(call.names["part"])
    tag = large.receive_part(call.names["oid"], number, call.body.blocks())
    return Answer(headers={"ETag": tag})


def complete(call: Call) -> Answer:
    """Put the parts of a large file together."""
    asked = call.json()
    tags = {part["partNumber"]: part["etag"] for part in asked["parts"]}
    _target(call).large.complete(call.names["oid"], tags)
    return as_json({})


def demand_space(call: Call, repo: Repo, size: int) -> None:
    """Refuse more bytes than a namespace may keep.

    Raises:
        RefusalError: when they are too many.
    """
    limit = call.hub.quotas.get(repo.namespace)
    if limit is not None and call.hub.store.used(repo.namespace) + size > limit:
        what = f"Storage limit of {limit} bytes reached for {repo.namespace}"
        raise RefusalError(403, f"{what}, please upgrade your plan to increase it.")


def _actions(call: Call, repo: Repo, oid: str, size: int) -> dict[str, Any]:
    address = call.hub.storage_url(repo, oid)
    verify = {"href": f"{call.hub.url(repo)}.git/info/lfs/objects/verify"}
    parts = ceil(size / call.hub.part_size)
    if parts <= 1:
        return {"upload": {"href": address}, "verify": verify}
    header = {f"{number:05d}": f"{address}/parts/{number}" for number in range(1, parts + 1)}
    header["chunk_size"] = str(call.hub.part_size)
    complete = f"{call.hub.endpoint}/api/complete_multipart/{repo.id}/{oid}"
    return {"upload": {"href": complete, "header": header}, "verify": verify}


def _target(call: Call) -> Repo:
    repo = call.hub.store.repo(call.names["repo"])
    if not repo.exists:
        raise RefusalError(404, "NoSuchBucket")
    return repo

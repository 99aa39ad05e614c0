"""A case, played: a real push with the unmodified client, and what it left on the Hub."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ChecksError, PipelineError
from pipeline.schema import HubConfig
from stages.push import Push
from stages.push.kept_card import SIGNED
from tests.command import ROOT, environment
from tests.hub import Hub
from tests.hub.repo import Commit, Repo
from tests.releases import Fabricated, fabricate, package, push
from tests.stages.push.faults.cases import REPO, Case, Ending

REMARKS = ("; again in", "all the same", "Git LFS")
"""What tells a remark on something that went wrong from the other notes."""

FIRST, SECOND = "1.0.0", "1.1.0"


@dataclass(frozen=True)
class Standing:
    """What a repository is named by, and every commit that its names lead to."""

    refs: dict[str, str]
    commits: dict[str, Commit]

    @classmethod
    def of(cls, repo: Repo) -> Standing | None:
        """Look at it; ``None`` when it is not there."""
        if not repo.exists:
            return None
        refs = repo.refs
        found = (commit for oid in refs.values() for commit in repo.history(repo.commit(oid)))
        return cls(refs, {commit.oid: commit for commit in found})


@dataclass(frozen=True)
class Attempt:
    """What a push said, and whether it went well."""

    error: str | None
    notes: tuple[str, ...] = ()

    @property
    def first_line(self) -> str:
        """What a person reads first: the error, else a remark."""
        if self.error is not None:
            return self.error.partition("\n")[0]
        remarks = (line for line in self.notes if any(word in line for word in REMARKS))
        return next(remarks, "")


class Scene:
    """A Hub, a release of a second version, and the push that is to bring it there."""

    def __init__(self, case: Case, hub: Hub, folder: Path) -> None:
        """Make the release; publish an earlier one, if the case has one."""
        self.case, self.hub, self.folder = case, hub, folder
        self.target = str(case.request.get("repo_id", REPO))
        hub.part_size = case.part_size
        if case.there:
            earlier = _released(folder, FIRST, b"the first language model" * 800)
            earlier.make(self._stage(FIRST))
        case.prepare(hub)
        self.release = _released(folder, SECOND, b"the second language model" * 800)
        if case.spoil:
            _change(self.release.run.release.root / case.spoil)
        self.before = Standing.of(self.repo)
        hub.requests.clear()
        for route, what in case.faults:
            hub.faults.add(route, **what)

    @property
    def repo(self) -> Repo:
        return self.hub.store.repo(self.target)

    def attempt(self) -> Attempt:
        """Push with whatever is to go wrong."""
        return self._push(**self.case.request)

    def repeated(self) -> Attempt:
        """Push again to where the Hub is."""
        return self._push(**{**self.case.request, "endpoint": self.hub.endpoint})

    def _push(self, **request: Any) -> Attempt:
        """Push as the engine does: what the checks find keeps the stage from running."""
        stage, context = self._stage(SECOND, **request), self.release.context("push")
        self.release.notes.lines.clear()
        try:
            if problems := stage.check(context):
                raise ChecksError(problems)
            self.release.make(stage)
        except PipelineError as error:
            return Attempt(str(error), tuple(self.release.notes.lines))
        return Attempt(None, tuple(self.release.notes.lines))

    def be_killed(self) -> Attempt:
        """Push in a process that gets SIGKILL when the log has the case's request."""
        route, run = self.case.killed, self.release.run
        arguments = [run.root, run.outputs.root, json.dumps(self._request(**self.case.request))]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.stages.push.faults.pusher", *map(str, arguments)],
            cwd=ROOT, env=environment(**self.hub.environment("write")), stderr=subprocess.PIPE,
        )  # fmt: skip
        while not any(request.route == route for request in self.hub.requests):
            assert process.poll() is None, process.communicate()[1].decode()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return Attempt(f"(SIGKILL at {route})")

    def ending(self) -> Ending:
        """Look at the repository, whatever the case wants it to be."""
        now, before = Standing.of(self.repo), self.before or Standing({}, {})
        if now is None:
            return Ending.UNTOUCHED if self.before is None else Ending.BROKEN
        new = [c for c in now.commits.values() if c.oid not in before.commits]
        ours = [commit.oid for commit in new if SIGNED in commit.message]
        refs = {name: oid for name, oid in now.refs.items() if before.refs.get(name) != oid}
        gone = set(before.refs) - set(now.refs)
        if not ours and not gone and not any(name in before.refs for name in self._others(refs)):
            fresh = [oid for name, oid in refs.items() if name not in before.refs]
            tagged = any(name.startswith("refs/tags/") for name in refs)
            if not tagged:
                return Ending.PREPARED if fresh else Ending.UNTOUCHED
        if len(ours) != 1 or not self._holds_the_release(now.commits[ours[0]]):
            return Ending.BROKEN
        return self._named(ours[0], refs, gone)

    def _others(self, refs: dict[str, str]) -> list[str]:
        """Give the names that do not just lead to what somebody else committed."""
        theirs = Standing.of(self.repo)
        assert theirs is not None
        return [name for name, oid in refs.items() if theirs.commits[oid].author != "eve"]

    def _named(self, commit: str, refs: dict[str, str], gone: set[str]) -> Ending:
        """Judge by the names whether the one commit is where it should be."""
        request = self.case.request
        if request.get("pr"):
            proposed = list(refs) == ["refs/pr/1"] and refs["refs/pr/1"] == commit and not gone
            return Ending.CORRECT if proposed else Ending.BROKEN
        branch = f"refs/heads/{request.get('revision', 'main')}"
        tag = f"refs/tags/{request.get('tag', f'v{SECOND}')}"
        on_branch = refs.pop(branch, None) == commit
        held = refs.pop(tag, None)
        if not on_branch or (refs and self.before) or gone - {tag} or held not in (commit, None):
            return Ending.BROKEN
        return Ending.CORRECT if held else Ending.UNTAGGED

    def _holds_the_release(self, commit: Commit) -> bool:
        root = self.release.run.release.root
        files = {path.relative_to(root).as_posix(): path for path in root.rglob("*")}
        return set(files) <= set(commit.files) and all(
            self.repo.content(commit.files[path]).read_bytes() == file.read_bytes()
            for path, file in files.items()
        )

    def demand_patience(self) -> None:
        """Check that nobody asked again before the Hub said that they may."""
        waits = {route: what["retry_after"] for route, what in self.case.faults
                 if "retry_after" in what}  # fmt: skip
        for number, request in enumerate(self.hub.requests):
            # The client asks a second time for the headers of a file, whatever it is told.
            if request.status != 429 or request.method == "HEAD":
                continue
            later = [r for r in self.hub.requests[number + 1 :] if r.route == request.route]
            assert not later or later[0].at - request.at >= waits[request.route]

    def demand_nothing_twice(self) -> None:
        """Check that no object was taken twice, and no more than one commit was."""
        done = Counter(
            (request.route, request.path)
            for request in self.hub.requests
            if request.status == 200 and request.route in ("lfs-upload", "lfs-complete")
        )
        assert all(times == 1 for times in done.values()), done

    def _stage(self, version: str, **changed: Any) -> Push:
        stage = push(hub=HubConfig(), cache=None, **self._request(version, **changed))
        stage.release_version = version
        return stage

    def _request(self, version: str = SECOND, **changed: Any) -> dict[str, Any]:
        asked = {"repo_id": REPO, "endpoint": self.hub.endpoint, "tag": f"v{version}"}
        return {**asked, **changed}


def _released(folder: Path, version: str, weights: bytes) -> Fabricated:
    made = fabricate(folder / "outputs", variant=f"variant-{version}", weights=weights)
    made.make(package(version=version, repo_id=REPO))
    return made


def _change(path: Path) -> None:
    """Change one byte in the middle, as a disk does, or a hand."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    times = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

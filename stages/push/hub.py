"""Publishes to the Hugging Face Hub: one commit, verified, then the tag.

Every step looks at what is there before it changes it, so that a push that was killed anywhere is
completed by the next one: the repository, the large files (which nothing names before the commit),
the commit, and last the tag, which therefore always names a verified commit.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipeline import files
from pipeline.errors import PushError
from pipeline.layout import SHA256SUMS, PushFolder
from pipeline.schema import PushConfig
from pipeline.stage import Context, Problem, Progress
from stages.common import card_sections
from stages.common.hub.contents import Tree
from stages.common.hub.landing import Landing
from stages.common.hub.repository import MAIN, Refs, Repository
from stages.common.hub.uploading import upload
from stages.push import kept_card
from stages.push.difference import Difference
from stages.push.listing import SentFile
from stages.push.names import bad_repo_id
from stages.push.preflight import GATES, Survey, survey, unusable
from stages.push.target import Publication

_MINIATURE = Problem(
    "The miniature is not a real model and does not go to the Hugging Face Hub.",
    hint="Release a model of your own (checkpoint=dora ...), or say push.allow_miniature=true",
)


class Hub:
    """A repository on the Hugging Face Hub."""

    name = "hub"

    def __init__(self, config: PushConfig, title: str) -> None:
        """Take what is asked for, and what the commit is called when nothing else is said."""
        self.config, self.title = config, config.message or title
        self._survey: Survey | None = None

    def check(self, ctx: Context) -> list[Problem]:
        """Keep the miniature in, and find what the Hub would refuse."""
        miniature = ctx.facts("collect").get("miniature") and not self.config.allow_miniature
        found = [*([_MINIATURE] if miniature else []), *unusable(self.config)]
        if found or bad_repo_id(self.config.repo_id):
            return found  # there is nothing to ask the Hub about
        metadata = ctx.local("package").get("metadata")
        card = f"---\n{metadata}---\n" if metadata else None
        self._survey, problems = survey(self._repository(ctx.progress), self.config, card)
        return problems

    def notes(self, ctx: Context) -> tuple[str, ...]:
        """Tell what is there already."""
        if self._survey is None:
            return ()
        config, state, refs = self.config, self._survey.state, self._survey.refs
        if state is None or refs is None:
            kind = "private (push.private=false makes it public)" if config.private else "public"
            return (f"hub: {config.repo_id} will be made, {kind}",)
        kind = "private" if state.private else "public"
        found = [f"hub: {config.repo_id} is there, {kind}, main at {state.head[:12]}"]
        if config.tag in refs.tags and not config.move_tag and not config.pr:
            found.append(
                f"hub: the tag {config.tag} is there; if the release has changed, raise its "
                "version, or say push.move_tag=true"
            )
        return tuple(found)

    def publish(self, publication: Publication, ctx: Context) -> dict[str, Any]:
        """Publish; a second time nothing changes, and what is missing is added.

        Raises:
            PushError: when the Hub refuses, or somebody else changed the repository meanwhile.
        """
        repository = self._repository(ctx.progress)
        push = _Push(repository, self.config, self.title, publication, ctx)
        return push.entry()

    def _repository(self, progress: Progress) -> Repository:
        return Repository(
            self.config.repo_id, self.config.endpoint, lambda text: progress.note(f"hub: {text}")
        )


@dataclass(frozen=True)
class _Push:
    """One push, step by step."""

    repository: Repository
    config: PushConfig
    title: str
    publication: Publication
    ctx: Context

    def entry(self) -> dict[str, Any]:
        """Do it, and give the entry of the receipt."""
        self._prepare()
        difference, refs = self._difference, self.repository.refs()
        if self._tag is not None:
            self._demand_free_tag(refs)
        if difference.empty:
            commit, number = self._head, None
            self._say(f"unchanged at {commit[:12]} ({self._branch})")
        elif self.config.pr and (standing := self._standing_proposal(refs)):
            number, commit = standing
            self._say(f"unchanged: proposed in {self._proposal_url(number)}")
        else:
            for line in difference.lines():
                self._say(line)
            commit = self._commit(difference)
            number = self._number_of(commit) if self.config.pr else None
        where = f"{'The pull request' if self.config.pr else self._branch} is at {commit[:12]}"
        with _adding(f"{where}, which could not be verified."):
            self._verify(commit)
        if self._tag is not None:
            with _adding(f"{where}, verified; the tag {self._tag} does not name it yet."):
                self._put_tag(commit)
        with _adding(f"{where}, verified; only the trial download did not go well."):
            self._download(commit)
        return self._receipt(commit, number)

    def _say(self, text: str) -> None:
        self.ctx.progress.note(f"hub: {text}")

    @property
    def _branch(self) -> str:
        """The branch that moves; in a sweep, one that is the variant's own."""
        return self.publication.branch or self.publication.variant

    @property
    def _tag(self) -> str | None:
        """The tag; a proposal gets none, because it may never be merged."""
        return None if self.config.pr else self.publication.tag

    def _prepare(self) -> None:
        """Make the repository and the branch, where they are not there."""
        repository, state = self.repository, self.repository.state()
        if state is None:
            repository.create(self.config.private)
            kind = "private" if self.config.private else "public"
            self._say(f"made {repository.url} ({kind})")
        gated = None if self.config.gated is None else GATES[self.config.gated]
        if gated is not None and (state is None or state.gated != gated):
            repository.set_gated(gated)
            self._say(f"gated: {self.config.gated}")
        refs = repository.refs()
        if self._branch not in refs.branches:
            repository.make_branch(self._branch, refs.branches[MAIN])
            self._say(f"made the branch {self._branch}")

    @cached_property
    def _head(self) -> str:
        return self.repository.refs().branches[self._branch]

    @cached_property
    def _tree(self) -> Tree:
        return self.repository.tree(self._head)

    @cached_property
    def _files(self) -> Mapping[str, SentFile]:
        """The files of the release, with the card as it will be there."""
        found = {file.name: file for file in self.publication.files}
        ours = found[kept_card.NAME]
        if kept_card.NAME not in self._tree or ours.is_held(self._tree[kept_card.NAME]):
            return found
        if not kept_card.edited(self.repository, self._head, self._tree):
            return found
        theirs = self.repository.read(kept_card.NAME, self._head)
        where = f"{self.repository.url}/blob/{self._branch}/{kept_card.NAME}"
        text = kept_card.merged(theirs, ours.path.read_bytes(), where)
        path = PushFolder(self.ctx.folder).card
        path.write_bytes(text)
        digest = files.file_digest(path)
        found[ours.name] = SentFile(ours.name, path, digest.size, digest.sha256)
        parts = " and our marked parts" if card_sections.has_parts(theirs) else ""
        self._say(f"the card was edited there and is kept; this renews only our metadata{parts}")
        return found

    @cached_property
    def _difference(self) -> Difference:
        return Difference(self._files, self._tree, self.config.delete_stale)

    def _demand_free_tag(self, refs: Refs) -> None:
        """Refuse to publish under a tag that names something else, before anything is sent."""
        held = refs.tags.get(self._tag or "")
        if held is None or self.config.move_tag or self._is_this_release(held):
            return
        raise PushError(
            f"The tag {self._tag} names another release already; nothing was published.",
            self.repository.commit_url(held),
            "Raise the version (version=...), name another (push.tag=...), "
            "or move it: push.move_tag=true",
        )

    def _is_this_release(self, commit: str) -> bool:
        """Tell whether a commit holds this release; its card may have been edited since."""
        tree = self.repository.tree(commit)
        missing = Difference(self._files, tree).change.missing(tree)
        return set(missing) <= {kept_card.NAME}

    def _standing_proposal(self, refs: Refs) -> tuple[int, str] | None:
        """Find a pull request that proposes exactly this, the newest first."""
        for number, commit in reversed(refs.proposals.items()):
            if not self._difference.change.missing(self.repository.tree(commit)):
                return number, commit
        return None

    def _commit(self, difference: Difference) -> str:
        """Send what is missing, and make the one commit that names it."""
        additions = upload(
            self.repository,
            difference.sent,
            self.ctx.progress,
            revision=self._branch,
            proposed=self.config.pr,
        )
        landing = Landing(
            self.repository,
            self._branch,
            self._head,
            self.title,
            self._description,
            difference.change,
            self.config.pr,
        )
        commit = landing.land(additions, difference.change.deleted(difference.tree))
        self._say(f"commit {commit[:12]} on {'a pull request' if self.config.pr else self._branch}")
        return commit

    @property
    def _description(self) -> str:
        kept = self._files[kept_card.NAME].path == PushFolder(self.ctx.folder).card
        return f"{kept_card.SIGNED}\n{kept_card.KEPT}" if kept else kept_card.SIGNED

    def _number_of(self, commit: str) -> int | None:
        proposals = self.repository.refs().proposals
        return next((n for n, oid in proposals.items() if oid == commit), None)

    def _proposal_url(self, number: int | None) -> str | None:
        return None if number is None else f"{self.repository.url}/discussions/{number}"

    def _verify(self, commit: str) -> None:
        """Compare every digest that the Hub has with ours."""
        missing = self._difference.change.missing(self.repository.tree(commit))
        if missing:
            raise PushError(
                f"The commit does not hold what was sent: {', '.join(missing)}.",
                self.repository.commit_url(commit),
                "Look at it there, then run the same command again.",
            )

    def _put_tag(self, commit: str) -> None:
        """Let the tag name the verified commit."""
        tag, repository = str(self._tag), self.repository
        held = repository.refs().tags.get(tag)
        if held == commit:
            return
        if held is not None and not self.config.move_tag:
            self._say(f"the tag {tag} names {held[:12]} already, the same release")
            return
        if held is not None:
            repository.remove_tag(tag)
        repository.add_tag(tag, commit, self.title)
        was = f" (was {held[:12]})" if held else ""
        self._say(f"tag {tag} -> {commit[:12]}{was}")

    def _download(self, commit: str) -> None:
        """Fetch one small file as a user would."""
        ours = self._files[SHA256SUMS]
        if self.repository.read(SHA256SUMS, commit) != ours.path.read_bytes():
            raise PushError(
                f"What the Hub delivers as {SHA256SUMS} is not what was sent.",
                self.repository.commit_url(commit),
                "Look at it there, and push again.",
            )

    def _receipt(self, commit: str, number: int | None) -> dict[str, Any]:
        """Write down what was done, and how to undo it."""
        repository, done = self.repository, self._difference.told()
        parent, changed = self._head, commit != self._head
        if not changed and (before := self._receipt_before(commit)):
            parent, done = before["parent"], before["changes"]
        page = self._proposal_url(number) or f"{repository.url}/tree/{self._tag or self._branch}"
        tree = repository.tree(commit)
        self._say(f"published: {page}")
        receipt = shlex.quote(str(self.ctx.run.push.receipt))
        return {
            "target": "hub",
            "endpoint": repository.endpoint,
            "repo_id": repository.repo_id,
            "url": page,
            "branch": self._branch,
            "tag": self._tag,
            "pull_request": number,
            "parent": parent,
            "commit": commit,
            "changed": changed,
            "changes": done,
            "files": {name: _listed(file, tree) for name, file in sorted(self._files.items())},
            "rollback": f"python -m pipeline.rollback {receipt}",
        }

    def _receipt_before(self, commit: str) -> Mapping[str, Any] | None:
        """Give the entry of the push that made a commit, when it was made from this folder."""
        try:
            kept = json.loads(self.ctx.run.push.receipt.read_text("utf-8"))["targets"]
            entries = [entry for entry in kept if entry["target"] == "hub"]
            (entry,) = [e for e in entries if e["commit"] == commit and "changes" in e]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        same = (entry["endpoint"], entry["repo_id"])
        return entry if same == (self.repository.endpoint, self.repository.repo_id) else None


@contextmanager
def _adding(remark: str) -> Iterator[None]:
    """Add to an error how far the push came, which a person would otherwise have to look up."""
    try:
        yield
    except PushError as error:
        raise PushError(f"{error.what} {remark}", error.where, error.hint) from error


def _listed(file: SentFile, tree: Tree) -> dict[str, Any]:
    """Give a file as it was verified: by its sha256, or by the id that git has for it."""
    held = tree[file.name]
    digest = {"size": file.size, "sha256": file.sha256}
    return digest if held.sha256 else {**digest, "git_blob": held.blob}

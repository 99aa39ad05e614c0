"""One push to the Hub: one commit, verified, then the tag.

Every step looks at what is there before it changes it, so that a push that was killed anywhere is
completed by the next one: the repository, the large files (which nothing names before the commit),
the commit, and last the tag, which therefore always names a verified commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise
from typing import Any

from pipeline.errors import PushError
from pipeline.layout import CARD, SHA256SUMS, PushFolder
from pipeline.schema import PushConfig
from pipeline.stage import Context
from stages.common.hub.landing import Landing
from stages.common.hub.names import MAIN
from stages.common.hub.repository import Refs, Repository, State
from stages.common.hub.uploading import upload
from stages.push import hub_entry, kept_card
from stages.push.difference import Difference
from stages.push.hub_entry import Landed
from stages.push.listing import SentFile
from stages.push.preflight import GATES
from stages.push.tagging import Tag
from stages.push.target import Publication

_LOOKED_AT = 10
"""Commits or pull requests, the newest, that are looked at; each costs a request."""


@dataclass(frozen=True)
class Publishing:
    """A push, step by step.

    Attributes:
        repository: where to.
        config: how.
        title: of the commit.
        publication: what.
        ctx: of the stage.
    """

    repository: Repository
    config: PushConfig
    title: str
    publication: Publication
    ctx: Context

    def run(self) -> dict[str, Any]:
        """Do it, and give the entry of the receipt.

        Raises:
            PushError: when the Hub refuses, or somebody else changed the repository meanwhile.
        """
        state = self.repository.state() or self._make()
        refs = self.repository.refs()
        head = refs.branches.get(self._branch, refs.branches[MAIN])
        difference = self._difference(head)
        tag = self._tag(difference)
        if tag is not None:
            tag.demand_free(refs)
        self._open(state, refs, head)
        landed = self._standing(difference, refs, head) or self._land(difference, head)
        where = f"{'The pull request' if landed.number else self._branch} is at "
        where += landed.commit[:12]
        with _adding(f"{where}, which could not be verified."):
            self._verify(landed, difference)
        was = None
        if tag is not None:
            with _adding(f"{where}, verified; the tag {tag.name} does not name it yet."):
                was = tag.put(landed.commit, self.title)
        with _adding(f"{where}, verified; only the trial download did not go well."):
            self._download(landed.commit, difference.files)
        told = hub_entry.entry(
            self.repository,
            landed,
            difference.files,
            self.ctx.run.push.receipt,
            branch=self._branch,
            tag=tag.name if tag else None,
            tag_was=was,
        )
        self.repository.say(f"published: {told['url']}")
        return told

    @cached_property
    def _branch(self) -> str:
        """The branch that moves, or is proposed to; in a sweep, one that is the variant's own."""
        return MAIN if self.config.pr else self.publication.branch or self.publication.variant

    def _tag(self, difference: Difference) -> Tag | None:
        """Give the tag; a proposal gets none, because it may never be merged."""
        if self.publication.tag is None or self.config.pr:
            return None

        def fits(commit: str) -> bool:
            return self._holds(commit, difference)

        return Tag(self.repository, self.publication.tag, self.config.move_tag, fits)

    def _holds(self, commit: str, difference: Difference) -> bool:
        """Tell whether a commit holds this release; its card may have been edited since."""
        tree = self.repository.tree(commit)
        return set(Difference(difference.files, tree).change.missing(tree)) <= {CARD}

    def _make(self) -> State:
        """Make the repository."""
        self.repository.create(self.config.private)
        kind = "private" if self.config.private else "public"
        self.repository.say(f"made {self.repository.url} ({kind})")
        return State(self.config.private, False, "")

    def _difference(self, head: str) -> Difference:
        """Hold the release, with the card as it shall be there, against what is there."""
        tree = self.repository.tree(head)
        release = {file.name: file for file in self.publication.files}
        copy = PushFolder(self.ctx.folder).card
        release[CARD] = kept_card.outgoing(self.repository, head, tree, release[CARD], copy)
        return Difference(release, tree, self.config.delete_stale)

    def _open(self, state: State, refs: Refs, head: str) -> None:
        """Make the branch where it is missing, and say who may read, before anything is there."""
        gated = None if self.config.gated is None else GATES[self.config.gated]
        if gated is not None and state.gated != gated:
            self.repository.set_gated(gated)
            self.repository.say(f"gated: {self.config.gated}")
        if self._branch not in refs.branches:
            self.repository.make_branch(self._branch, head)
            self.repository.say(f"made the branch {self._branch}")

    def _standing(self, difference: Difference, refs: Refs, head: str) -> Landed | None:
        """Find the commit that has all of this already."""
        if difference.empty:
            landed = self._pushed(difference, head) or Landed(head, head)
            above = "" if landed.commit == head else f", below {head[:12]}"
            self.repository.say(f"unchanged at {landed.commit[:12]} ({self._branch}{above})")
            return landed
        if not self.config.pr:
            return None
        for number in self.repository.open_proposals(_LOOKED_AT):
            commit = refs.proposals.get(number)
            if commit and not difference.change.missing(self.repository.tree(commit)):
                url = self.repository.proposal_url(number)
                self.repository.say(f"unchanged: proposed in {url}")
                return Landed(commit, head, number)
        return None

    def _pushed(self, difference: Difference, head: str) -> Landed | None:
        """Find the push that brought the release; others may have committed on top since."""
        history = pairwise(self.repository.history(head))
        ours = ((made, before) for made, before in history if kept_card.SIGNED in made.message)
        for made, before in islice(ours, _LOOKED_AT):
            if self._holds(made.oid, difference):
                return Landed(made.oid, before.oid)
        return None

    def _land(self, difference: Difference, head: str) -> Landed:
        """Send what is missing, and make the one commit that names it."""
        repository, proposed = self.repository, self.config.pr
        for line in difference.lines():
            repository.say(line)
        additions = upload(
            repository,
            difference.sent,
            self.ctx.progress,
            revision=self._branch,
            proposed=proposed,
        )
        kept = difference.files[CARD].path == PushFolder(self.ctx.folder).card
        description = f"{kept_card.SIGNED}\n{kept_card.KEPT}" if kept else kept_card.SIGNED
        change = difference.change
        landing = Landing(repository, self._branch, head, self.title, description, change, proposed)
        commit = landing.land(additions, change.deleted(difference.tree))
        repository.say(f"commit {commit[:12]} on {'a pull request' if proposed else self._branch}")
        return Landed(commit, head, self._number_of(commit) if proposed else None, fresh=True)

    def _number_of(self, commit: str) -> int | None:
        proposals = self.repository.refs().proposals
        return max((n for n, oid in proposals.items() if oid == commit), default=None)

    def _verify(self, landed: Landed, difference: Difference) -> None:
        """Compare every digest that the Hub has with ours."""
        missing = set(difference.change.missing(self.repository.tree(landed.commit)))
        if not landed.fresh and landed.number is None:
            missing -= {CARD, *difference.change.gone}  # as they were when it was pushed
        if missing:
            raise PushError(
                f"The commit does not hold what was sent: {', '.join(sorted(missing))}.",
                self.repository.commit_url(landed.commit),
                "Look at it there, then run the same command again.",
            )

    def _download(self, commit: str, release: Mapping[str, SentFile]) -> None:
        """Fetch one small file as a user would."""
        if self.repository.read(SHA256SUMS, commit) != release[SHA256SUMS].path.read_bytes():
            raise PushError(
                f"What the Hub delivers as {SHA256SUMS} is not what was sent.",
                self.repository.commit_url(commit),
                "Look at it there, and push again.",
            )


@contextmanager
def _adding(remark: str) -> Iterator[None]:
    """Add to an error how far the push came, which a person would otherwise have to look up."""
    try:
        yield
    except PushError as error:
        raise PushError(f"{error.what} {remark}", error.where, error.hint) from error

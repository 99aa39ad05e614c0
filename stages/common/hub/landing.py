"""One commit, exactly once: all of it, on top of what was seen, whatever the network does.

A commit whose answer is lost may have landed. So the Hub is asked what is there before anything is
sent again; and since every attempt names the same parent, a second one cannot double the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import PushError
from stages.common.hub.client import quiet
from stages.common.hub.contents import Change
from stages.common.hub.failure import Failure, kinds
from stages.common.hub.overheard import overheard
from stages.common.hub.repository import Repository

_STALE = 412


@dataclass(frozen=True)
class Landing:
    """A commit to be made.

    Attributes:
        repository: where.
        branch: the branch that it goes on top of.
        parent: the head of the branch as it was seen.
        title: its first line.
        description: the rest of its message.
        change: what shall be so afterwards.
        proposed: whether it is a pull request instead.
    """

    repository: Repository
    branch: str
    parent: str
    title: str
    description: str
    change: Change
    proposed: bool = False

    def land(self, operations: Sequence[Any], deleted: Sequence[str] = ()) -> str:
        """Make the commit; give its id.

        Args:
            operations: of the client; their large files have been sent.
            deleted: paths of files to delete.

        Raises:
            PushError: when the Hub refuses it, or somebody else was faster.
        """
        from huggingface_hub import CommitOperationDelete

        deletions = [CommitOperationDelete(path, is_folder=False) for path in deleted]
        operations, patience = [*operations, *deletions], self.repository.patience
        known = set(self.repository.refs().proposals) if self.proposed else set()
        for attempt in range(patience.attempts):
            try:
                return self._send(operations)
            except kinds() as error:
                failure = Failure.of(error)
                landed = self._found(known) if self._may_have_landed(failure) else None
                if landed is not None:
                    patience.say(f"{failure.reason.rstrip('.')}; the commit is there all the same")
                    return landed
                if failure.status == _STALE:
                    raise self._conflict() from error
                # A proposal has no parent that would keep a late first one from doubling.
                last = attempt == patience.attempts - 1 or (self.proposed and failure.ambiguous)
                if last or not failure.passing:
                    raise self._refused(failure) from error
                patience.pause(failure, attempt)
        raise AssertionError("unreachable")

    def _refused(self, failure: Failure) -> PushError:
        said = failure.error(self.repository.repo_id, self.repository.endpoint)
        # What failed on the way may still arrive, late.
        remark = "" if failure.ambiguous else " Nothing was published."
        return PushError(f"{said.what}{remark}", said.where, said.hint)

    def _send(self, operations: Sequence[Any]) -> str:
        with quiet(), overheard(self.repository.say):
            made = self.repository.api.create_commit(
                self.repository.repo_id,
                operations,
                commit_message=self.title,
                commit_description=self.description,
                revision=self.branch,
                parent_commit=self.parent,
                create_pr=self.proposed,
            )
        return str(made.oid)

    def _may_have_landed(self, failure: Failure) -> bool:
        return failure.ambiguous or failure.status == _STALE

    def _found(self, known: set[int]) -> str | None:
        """Look for the commit among what is there now."""
        try:
            return self._look(known)
        except PushError as error:
            what = f"{error.what} Whether the commit has arrived is not known."
            raise PushError(what, error.where, error.hint) from error

    def _look(self, known: set[int]) -> str | None:
        if self.proposed:
            proposals = self.repository.refs().proposals.items()
            fresh = [oid for number, oid in proposals if number not in known]
        else:
            # Ours can only be the next one after the parent; others may be on top of it by now.
            history = [commit.oid for commit in self.repository.history(self.branch)]
            at = history.index(self.parent) if self.parent in history else 0
            fresh = history[at - 1 : at] if at else []
        tree = self.repository.tree
        return next((oid for oid in fresh if not self.change.missing(tree(oid))), None)

    def _conflict(self) -> PushError:
        newer = self.repository.history(self.branch)
        others = [commit.oid for commit in newer]
        count = others.index(self.parent) if self.parent in others else 1
        first = newer[0]
        by = f" by {', '.join(first.authors)}" if first.authors else ""
        more = f" and {count - 1} more" if count > 1 else ""
        return PushError(
            f"{self.repository.repo_id} was changed by somebody else meanwhile: "
            f"{first.oid[:12]} {first.title!r}{by}{more}.",
            f"Look at it: {self.repository.commit_url(first.oid)}",
            "Nothing was published. If it may stay, run the same command again.",
        )

"""Taking a push back: a new commit with the files as they were before it.

Only what the push changed is restored, so that work that others added since stays; a file that both
changed is a conflict. The Hub copies large files itself, so that nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PushError, SourceError
from pipeline.layout import PushFolder
from pipeline.paths import expanded
from stages.common.hub.contents import ATTRIBUTES, Change, HeldFile, Tree
from stages.common.hub.endpoint import is_own
from stages.common.hub.landing import Landing
from stages.common.hub.repository import Repository
from stages.common.hub.restoring import copies
from stages.common.receipt import Published, read_receipt

_NEXT = "Give the receipt of a push: outputs/RELEASE/VARIANT/push/receipt.json"
_MADE_BY = "Made by audiocraft-release-pipeline."


@dataclass(frozen=True)
class Rollback:
    """What a rollback does.

    Attributes:
        entry: the push that is taken back.
        repository: where.
        head: the commit of the branch now.
        restored: files that get their content of before.
        deleted: paths of files that were not there before.
        tag_at: the commit that the push's tag names now, or ``None``.
    """

    entry: Published
    repository: Repository
    head: str
    restored: tuple[HeldFile, ...]
    deleted: tuple[str, ...]
    tag_at: str | None

    @property
    def empty(self) -> bool:
        """Whether everything is as it was before the push."""
        return not self.restored and not self.deleted

    def apply(self) -> str:
        """Make the commit, and verify it; give its id.

        Raises:
            PushError: when the Hub refuses, or somebody else was faster.
        """
        entry, repository = self.entry, self.repository
        change = Change({file.path: file for file in self.restored}, frozenset(self.deleted))
        title = f"Take back {entry.commit[:12]}"
        landing = Landing(repository, entry.branch, self.head, title, _MADE_BY, change)
        operations = copies([file.path for file in self.restored], _parent(entry))
        commit = landing.land(operations, self.deleted)
        missing = change.missing(repository.tree(commit))
        if missing:
            raise PushError(
                f"Not everything is as it was: {', '.join(missing)}.",
                repository.commit_url(commit),
                "Look at it there, and run the same command again.",
            )
        return commit

    def untag(self) -> str | None:
        """Put the push's tag back where it was; say what was done, ``None`` when there is none.

        Raises:
            PushError: when the Hub refuses.
        """
        tag, was = self.entry.tag, self.entry.tag_was
        if tag is None or self.tag_at != self.entry.commit:
            return None
        self.repository.remove_tag(tag)
        if was is None:
            return f"removed the tag {tag}"
        self.repository.add_tag(tag, was, f"Taken back from {self.entry.commit[:12]}")
        return f"the tag {tag} names {was[:12]} again"

    @property
    def about_the_tag(self) -> str | None:
        """What a person should know of the push's tag, where it is there."""
        if self.tag_at is None:
            return None
        was = self.entry.tag_was
        undo = f"--untag puts it back to {was[:12]}" if was else "--untag removes it"
        return f"the tag {self.entry.tag} still names {self.tag_at[:12]} ({undo})"

    def lines(self) -> Iterator[str]:
        """Say for people what it would do."""
        entry = self.entry
        yield f"{self.repository.url}: taking back {entry.commit[:12]} on {entry.branch}"
        yield from (f"  ~ {file.path}  as before the push" for file in self.restored)
        yield from (f"  - {path}" for path in self.deleted)
        if self.empty:
            yield "  everything is as it was before that push"

    def told(self, commit: str | None, untagged: bool) -> dict[str, Any]:
        """Say for programs what was done.

        Args:
            commit: that was made, or ``None``.
            untagged: whether the tag was put back.
        """
        return {
            "repo_id": self.entry.repo_id,
            "branch": self.entry.branch,
            "taken_back": self.entry.commit,
            "commit": commit or self.head,
            "restored": [file.path for file in self.restored],
            "deleted": list(self.deleted),
            "tag": None if untagged else self.tag_at and self.entry.tag,
            "done": self.empty or commit is not None,
        }


def plan(what: Path, say: Callable[[str], None] = lambda _: None) -> Rollback:
    """Look what a rollback of a push would do.

    Args:
        what: the receipt of the push, or the folder of the push or of the run that has it.
        say: is told why something takes long.

    Raises:
        ConfigError: for the home of a user whom this machine does not know.
        SourceError: when there is no receipt, or the Hub is not in it.
        FormatError: when it is not a receipt.
        PushError: when the push cannot be taken back, or a file has changed since.
    """
    entry = _hub_entry(_locate(expanded(what)))
    _demand_own(entry, what)
    repository = Repository(entry.repo_id, entry.endpoint, say)
    if entry.pull_request is not None:
        raise PushError(
            "It is a pull request: nothing was published that could be taken back.",
            repository.proposal_url(entry.pull_request),
            "Close it there.",
        )
    if entry.parent in (None, entry.commit):
        raise PushError(
            "That push changed nothing, so there is nothing to take back.",
            repository.commit_url(entry.commit),
            "Give the receipt of the push that made the commit.",
        )
    repository.account()
    refs = repository.refs()
    head = refs.branches.get(entry.branch)
    if head is None:
        raise PushError(
            f"{entry.repo_id} has no branch {entry.branch} any more.",
            repository.url,
            "There is nothing to take back.",
        )
    before, after = repository.tree(_parent(entry)), repository.tree(entry.commit)
    now = repository.tree(head)
    changed = {path for path in {*before, *after} - {ATTRIBUTES} if _differ(path, before, after)}
    _demand_unchanged(repository, entry, head, changed, (before, after, now))
    behind = sorted(path for path in changed if _differ(path, before, now))
    return Rollback(
        entry,
        repository,
        head,
        tuple(before[path] for path in behind if path in before),
        tuple(path for path in behind if path not in before),
        refs.tags.get(entry.tag) if entry.tag else None,
    )


def _locate(what: Path) -> Path:
    """Give the receipt itself, or the one in the folder of a push or of a run."""
    if not what.is_dir():
        return what
    here = PushFolder(what).receipt
    return here if here.is_file() else PushFolder(what / "push").receipt


def _hub_entry(path: Path) -> Published:
    try:
        published = read_receipt(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SourceError(f"The receipt cannot be read: {reason}.", str(path), _NEXT) from error
    found = [entry for entry in published if entry.target == "hub"]
    if not found:
        raise SourceError("Nothing in this receipt went to the Hub.", str(path), _NEXT)
    return found[0]


def _demand_own(entry: Published, receipt: Path) -> None:
    """Refuse to send the token to a Hub that only a receipt names, which anybody can write."""
    if not is_own(entry.endpoint):
        raise PushError(
            f"The receipt is of another Hub, {entry.endpoint}, which would get your token.",
            str(receipt),
            f"If that Hub is yours: HF_ENDPOINT={entry.endpoint} python -m pipeline.rollback ...",
        )


def _parent(entry: Published) -> str:
    return str(entry.parent)


def _demand_unchanged(
    repository: Repository,
    entry: Published,
    head: str,
    changed: set[str],
    trees: tuple[Tree, Tree, Tree],
) -> None:
    before, after, now = trees
    both = [p for p in sorted(changed) if _differ(p, after, now) and _differ(p, before, now)]
    if both:
        raise PushError(
            f"{entry.repo_id} has changed since that push: {', '.join(both)}.",
            f"{repository.commit_url(head)} is the latest commit of {entry.branch}.",
            "Take back the later push first (its own receipt), or mend the files there.",
        )


def _differ(path: str, one: Tree, other: Tree) -> bool:
    """Tell whether a file differs between two commits, or is in only one of them."""
    if path not in one or path not in other:
        return path in one or path in other
    return not one[path].is_held(other[path])

"""Two releases, or two models, side by side: which files differ, and in what."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline import files
from pipeline.errors import FormatError, SourceError
from pipeline.sheet import Remark
from pipeline.stage import Progress
from stages.common.archive import Archive, is_zip
from stages.common.claims import MAX_TEXT
from stages.common.contained import AUTO, Contained, contained, transparent
from stages.common.copies import Copy, Held
from stages.common.tensor_changes import TensorChanges, tensor_changes
from stages.common.told_metrics import ToldMetrics
from stages.common.value_changes import ValueChanges, value_changes

IDENTICAL, CHANGED, ONLY_BEFORE, ONLY_AFTER = "identical", "changed", "only in A", "only in B"


@dataclass(frozen=True)
class ComparedFile:
    """A file of both, or of one.

    Attributes:
        names: what it is called there; ``None`` where it is not.
        sizes: in bytes.
        digests: sha256 in hex; empty where it was not needed: two of different sizes differ.
        verdict: ``identical``, ``changed``, ``only in A`` or ``only in B``.
        told: what was taken of it, for people.
        values: how its config, or its JSON, changed.
        tensors: how its tensors changed.
        faults: why it could not be looked into.
    """

    names: tuple[str | None, str | None]
    sizes: tuple[int | None, int | None]
    digests: tuple[str, str] = ("", "")
    verdict: str = IDENTICAL
    told: tuple[str, str] = ("", "")
    values: ValueChanges = field(default_factory=ValueChanges)
    tensors: TensorChanges = field(default_factory=TensorChanges)
    faults: tuple[Remark, ...] = ()

    @property
    def name(self) -> str:
        """Its name, in A where it is in both."""
        return self.names[0] or self.names[1] or ""

    @property
    def unexplained(self) -> bool:
        """Whether it changed although all that can be seen in it is the same."""
        seen = self.values or self.tensors or self.faults
        return self.verdict == CHANGED and transparent(self.name) and not seen


@dataclass(frozen=True)
class Comparison:
    """Two sides, compared.

    Attributes:
        places: where they are.
        files: those of both, by name.
        metrics: how what they were judged by changed.
    """

    places: tuple[str, str]
    files: tuple[ComparedFile, ...]
    metrics: ValueChanges = field(default_factory=ValueChanges)

    @property
    def identical(self) -> bool:
        """Whether nothing differs."""
        return not self.metrics and all(file.verdict == IDENTICAL for file in self.files)

    @property
    def different(self) -> tuple[ComparedFile, ...]:
        """The files that are not the same."""
        return tuple(file for file in self.files if file.verdict != IDENTICAL)


@dataclass(frozen=True)
class Looked:
    """A pair of files, and the metrics that were met in them."""

    file: ComparedFile
    metrics: tuple[ToldMetrics, ToldMetrics] = (ToldMetrics(), ToldMetrics())


def compared(
    before: Copy,
    after: Copy,
    names: tuple[str | None, str | None],
    progress: Progress,
    state: str = AUTO,
    *,
    hash_all: bool = False,
) -> Looked:
    """Compare a file of one side with one of the other; look into both where they differ.

    Args:
        before: the one side.
        after: the other.
        names: of the file there; ``None`` where it has none.
        progress: shown while something is hashed, downloaded or read.
        state: which of a training checkpoint's states.
        hash_all: whether files of different sizes are hashed too.

    Raises:
        SourceError: when a file cannot be had, or does not have the state.
    """
    held = tuple(
        side.held(name) if name else None for side, name in zip((before, after), names, strict=True)
    )
    left, right = held
    if left is None or right is None:
        sizes = tuple(each.size if each else None for each in held)
        there = tuple(name if each else None for name, each in zip(names, held, strict=True))
        verdict = ONLY_BEFORE if left else ONLY_AFTER
        return Looked(ComparedFile((there[0], there[1]), (sizes[0], sizes[1]), verdict=verdict))
    file = _by_content(names, left, right, progress, hash_all)
    if file.verdict == IDENTICAL or not transparent(file.name):
        return Looked(file)
    return _looked_into(file, before, after, progress, state)


def _by_content(
    names: tuple[str | None, str | None],
    left: Held,
    right: Held,
    progress: Progress,
    hash_all: bool,
) -> ComparedFile:
    """Compare sizes, then digests; a file under two names is not read."""
    sizes = left.size, right.size
    if left.path and right.path and left.path.samefile(right.path):
        return ComparedFile(names, sizes)
    wanted = hash_all or max(sizes) <= MAX_TEXT
    wanted = wanted or (left.size == right.size and not _of_other_heads(left, right))
    digests = tuple(_sha256(each, wanted, progress) for each in (left, right))
    same = left.size == right.size and digests[0] == digests[1] != ""
    return ComparedFile(names, sizes, (digests[0], digests[1]), IDENTICAL if same else CHANGED)


def _of_other_heads(left: Held, right: Held) -> bool:
    """Tell whether two archives list other contents, for which none of them need be read."""
    if left.path is None or right.path is None or not is_zip(left.path) or not is_zip(right.path):
        return False
    try:
        with Archive.open(left.path) as one, Archive.open(right.path) as other:
            return one.directory_digest != other.directory_digest
    except FormatError:
        return False


def _sha256(held: Held, wanted: bool, progress: Progress) -> str:
    if held.path is None or not wanted:
        return held.sha256
    with progress.task(f"hash {held.path.name}", held.size) as task:
        return files.file_digest(held.path, task.advance).sha256


def _looked_into(
    file: ComparedFile, before: Copy, after: Copy, progress: Progress, state: str
) -> Looked:
    with ExitStack() as stack:
        found: list[Contained] = []
        faults: list[Remark] = []
        for copy, name in zip((before, after), file.names, strict=True):
            held = copy.held(name or "", whole=True)
            if held is None or held.path is None:
                raise SourceError(f"{name} cannot be had any more.", copy.place)
            try:
                found.append(stack.enter_context(contained(held.path, name or "", state)))
            except FormatError as error:
                faults.append(_fault(file, error.what, error.where or str(held.path), error.hint))
        if faults:
            return Looked(replace(file, faults=tuple(faults)))
        left, right = found
        told = replace(
            file, told=(left.told, right.told), values=value_changes(left.values, right.values)
        )
        changes = _tensors(told, left.tensors, right.tensors, progress)
        broken = [_fault(file, each.fault, each.damaged) for each in changes.changed if each.fault]
        told = replace(told, tensors=changes, faults=tuple(broken))
        return Looked(told, (left.metrics, right.metrics))


def _fault(file: ComparedFile, what: str, where: str, remedy: str = "") -> Remark:
    return Remark("problem", f"{file.name} cannot be compared in full: {what}", where, remedy)


def _tensors(
    file: ComparedFile, left: Mapping[str, Any], right: Mapping[str, Any], progress: Progress
) -> TensorChanges:
    """Compare the tensors; all are read only where nothing else tells what makes a difference."""
    total = sum(tensor.nbytes for tensor in right.values())
    with progress.task(f"compare {file.name}", total) as task:
        changes = tensor_changes(left, right, task.advance)
    if changes or file.values or file.sizes[0] != file.sizes[1]:
        return changes
    with progress.task(f"read {file.name}", total) as task:
        return tensor_changes(left, right, task.advance, read_all=True)

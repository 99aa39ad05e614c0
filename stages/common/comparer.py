"""What is different between A and B, each a release or a model, wherever they lie?

A release leads where `stages.common.whereabouts` says; a signature, or the folder of an
experiment, is its last checkpoint; any other file is itself. Of two releases all files are
compared; a single model is compared with the release's file of the same kind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.layout import (
    ALL_IN_ONE,
    CARD,
    COMPRESSION,
    SHA256SUMS,
    STATE_DICT,
    Outputs,
    Run,
)
from pipeline.manifest import parse_sums
from pipeline.paths import expanded
from pipeline.stage import Progress
from stages.common import downloads, sources
from stages.common.comparison import Comparison, Looked, compared
from stages.common.contained import contained
from stages.common.copies import Copy, FileCopy, FolderCopy
from stages.common.experiment_folder import experiment_of
from stages.common.experiments import PREFIX, is_signature
from stages.common.history import epochs_in
from stages.common.hub import is_repo_id, remote
from stages.common.metrics import EpochMetrics
from stages.common.named_experiment import experiment_named
from stages.common.told_metrics import ToldMetrics
from stages.common.whereabouts import Whereabouts, release_at

_OF_THE_HUB = frozenset({".gitattributes"})
"""What a repository has and a release has not."""


@dataclass(frozen=True)
class Places:
    """Where the two are looked for.

    Attributes:
        revision: of Hub ids that name none themselves.
        cache_dir: a Hub cache to look into, instead of the Hub.
        dora_dir: the folder that holds ``xps``.
        outputs: where runs write.
    """

    outputs: Outputs
    dora_dir: Path | None = None
    revision: str | None = None
    cache_dir: Path | None = None


def compare(before: str, after: str, places: Places, progress: Progress, state: str) -> Comparison:
    """Compare two releases, or models.

    Args:
        before: A, as it was typed.
        after: B.
        places: where they are looked for.
        progress: shown while something is downloaded or read.
        state: which of a training checkpoint's states; ``auto`` is what a release would take.

    Raises:
        ConfigError: for what has no form that leads anywhere.
        SourceError: for what is not there, or does not have the state.
        FormatError: for a model, or a list of files, that cannot be read.
    """
    with ExitStack() as stack:
        left, right = (
            stack.enter_context(_side(what, places, progress)) for what in (before, after)
        )
        looked = [
            compared(left, right, names, progress, state) for names in _pairs(left, right, progress)
        ]
        metrics = _metrics(left, right, looked)
        return Comparison(
            (left.place, right.place),
            tuple(each.file for each in looked),
            metrics[0].changes_to(metrics[1]),
        )


@contextmanager
def _side(what: str, places: Places, progress: Progress) -> Iterator[Copy]:
    path = expanded(what)
    if what.startswith(PREFIX) or (is_signature(what) and not path.exists()):
        named = experiment_named(what, places.dora_dir, places.outputs)
        yield FileCopy(named.checkpoint(None))
    elif path.is_dir() and (experiment := experiment_of(path)) is not None:
        yield FileCopy(experiment.checkpoint(None))
    elif what and path.is_file() and path.suffix != ".json":
        yield FileCopy(path.absolute())
    elif "://" in what and what.endswith(sources.ENDINGS) and remote.page_of(what) is None:
        with progress.task(downloads.shown(what), downloads.size_of(what)) as task:
            kept = sources.downloads_in(places.outputs)
            yield FileCopy(downloads.fetch(what, kept, advance=task.advance))
    else:
        # The options say where Hub ids are looked for; one of the two need not be one.
        hub = not path.exists() and is_repo_id(what.partition("@")[0])
        revision = places.revision if hub and "@" not in what else None
        cache_dir = places.cache_dir if hub else None
        with release_at(Whereabouts(what, revision, cache_dir), progress) as copy:
            yield copy


def _pairs(left: Copy, right: Copy, progress: Progress) -> list[tuple[str | None, str | None]]:
    """Say which file of the one is compared with which of the other."""
    lone = [isinstance(side, FileCopy) for side in (left, right)]
    if not any(lone):
        names = sorted({*_names(left), *_names(right)} - _OF_THE_HUB)
        return [(name, name) for name in names]
    if all(lone):
        return [(_only(left), _only(right))]
    single, release = (left, right) if lone[0] else (right, left)
    pair = _only(single), _counterpart(single, release)
    return [pair if lone[0] else (pair[1], pair[0])]


def _names(copy: Copy) -> set[str]:
    """Give the names of a release's files; where nobody lists them, its own list does."""
    if copy.sizes is not None:
        return set(copy.sizes)
    sums = copy.held(SHA256SUMS, whole=True)
    if sums is None or sums.path is None:
        raise SourceError(f"There is no {SHA256SUMS}, and nothing else lists files.", copy.place)
    return {*parse_sums(sums.path.read_text("utf-8", "replace")), CARD, SHA256SUMS}


def _only(copy: Copy) -> str:
    return next(iter(copy.sizes or ()))


def _counterpart(single: Copy, release: Copy) -> str:
    """Give the file of a release that holds a model of the kind of a single one."""
    held = single.held(_only(single), whole=True)
    if held is None or held.path is None:
        raise SourceError("The file is not there any more.", single.place)
    with contained(held.path, _only(single)) as found:
        wanted = (COMPRESSION,) if found.family == "compression" else (STATE_DICT, ALL_IN_ONE)
    names = _names(release)
    for name in wanted:
        if name in names:
            return name
    raise SourceError(f"The release has no {wanted[0]} to compare with.", release.place)


def _metrics(left: Copy, right: Copy, looked: list[Looked]) -> tuple[ToldMetrics, ToldMetrics]:
    """Give what both were judged by; nothing, where only one of them tells."""
    found = []
    for side, copy in enumerate((left, right)):
        if isinstance(copy, FileCopy):
            found.append(looked[0].metrics[side] if looked else ToldMetrics())
        else:
            found.append(_of_run(copy) or _of_card(copy))
    told = all(each.values for each in found)
    return (found[0], found[1]) if told else (ToldMetrics(), ToldMetrics())


def _of_run(copy: Copy) -> ToldMetrics | None:
    """Give every digit of the metrics where the release lies in the run that made it."""
    if not isinstance(copy, FolderCopy):
        return None
    run = Run(copy.folder.parent, Outputs(copy.folder.parent.parent.parent))
    if copy.folder != run.release.root or not run.collect.history.is_file():
        return None
    try:
        history = epochs_in(json.loads(run.collect.history.read_bytes()))
        epoch = json.loads(run.release.manifest.read_bytes())["source"]["epoch"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return ToldMetrics.of_epoch(EpochMetrics.of(history, epoch))


def _of_card(copy: Copy) -> ToldMetrics:
    held = copy.held(CARD, whole=True)
    if held is None or held.path is None:
        return ToldMetrics()
    return ToldMetrics.in_card(held.path.read_bytes())

"""What is WHAT? Anything that can be released, or was, described without loading it.

A name leads where it leads everyone here: ``//sig/SIG``, then the loading order of
`stages.common.sources`; a folder may be a release, a run, an experiment, or a Dora folder.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.layout import STATE_DICT
from pipeline.paths import expanded
from pipeline.stage import SILENT, Progress
from stages.common import downloads, sources
from stages.common.dora_folder import DoraFolder
from stages.common.experiments import PREFIX, is_signature
from stages.common.hub_model import brought
from stages.common.inspected_file import inspected, inspected_experiment, inspected_file
from stages.common.inspected_folder import inspected_folder, inspected_repository
from stages.common.inspection import Inspection, Question
from stages.common.named_experiment import experiment_named
from stages.common.prospect import Source


def inspect(question: Question, progress: Progress = SILENT) -> Inspection:
    """Find out what something is, and what is wrong with it.

    Args:
        question: what is asked.
        progress: shown where something has to be downloaded.

    Raises:
        ConfigError: for what has no form that could lead anywhere.
        SourceError: for what is not there, or cannot be downloaded; names what is near.
    """
    what = question.what
    path = expanded(what)
    if what.startswith(PREFIX) or is_signature(what) and not path.exists():
        return inspected_experiment(
            question, experiment_named(what, question.dora_dir, question.outputs)
        )
    if what and path.is_file():
        return inspected_file(question, path.absolute())
    if what and path.is_dir():
        return inspected_folder(question, path.absolute())
    kept = sources.downloads_in(question.outputs)
    place = _place(question, kept)
    if place.kind == "hub":
        files, notes = brought(what, question.revision, progress)
        return inspected_repository(question, files, notes)
    total = None if place.path else downloads.size_of(what)
    with progress.task(downloads.shown(what), total) as task:
        file = sources.resolve(what, file_name=STATE_DICT, folder=kept, advance=task.advance)
    asked = {"checkpoint": "url", "checkpoint.url": what}
    return inspected(question, file.absolute(), Source(asked, question.dora_dir))


def _place(question: Question, kept: Path) -> sources.Place:
    """Follow the loading order; an experiment may be what a name that leads nowhere means."""
    try:
        return sources.find(question.what, file_name=STATE_DICT, folder=kept)
    except SourceError as error:
        root = DoraFolder(question.dora_dir).xps if question.dora_dir else None
        known = [path.name for path in root.iterdir()] if root and root.is_dir() else []
        near = get_close_matches(question.what.lower(), filter(is_signature, known), 1, 0.75)
        if error.hint or not near:
            raise
        raise SourceError(error.what, error.where, f"Did you mean {PREFIX}{near[0]}?") from error

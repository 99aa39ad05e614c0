"""One file or one experiment, inspected: a checkpoint knows the experiment that it belongs to."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from pipeline.errors import FormatError, SourceError
from pipeline.layout import COMPRESSION
from pipeline.paths import expanded
from pipeline.sheet import Remark
from stages.common import saving
from stages.common.architecture import Architecture
from stages.common.best import best_of
from stages.common.experiment_folder import ExperimentFolder, experiment_of
from stages.common.experiments import PREFIX, Experiment
from stages.common.history import valid_json
from stages.common.inspection import Inspection, Question
from stages.common.loading import load_lines
from stages.common.model_file import ModelFile
from stages.common.prospect import Source, prospect_of
from stages.common.reading import read
from stages.common.release_folder import accepted_beside
from stages.common.request_line import override


def inspected_file(question: Question, path: Path) -> Inspection:
    """Inspect a file; one of an experiment's own checkpoints is asked for by its epoch."""
    path = saving.complete(path) or path
    experiment = experiment_of(path.parent)
    epochs = {p.absolute(): n for n, p in experiment.checkpoints.items()} if experiment else {}
    if experiment is None or path not in epochs:
        found = inspected(question, path, _on_disk(question, path))
        return replace(found, remarks=(*_of_the_save(path), *found.remarks, *accepted_beside(path)))
    found = inspected(question, path, _in_dora(experiment, epochs[path]), epochs[path])
    if _foreign(found.models[0], experiment):
        return inspected(question, path, _on_disk(question, path))
    notes = experiment.notes(path)
    return replace(
        found,
        models=(_completed(found.models[0], experiment),),
        experiment=ExperimentFolder.of(experiment),
        remarks=(*(Remark("hint", note) for note in notes), *found.remarks),
    )


def _of_the_save(path: Path) -> tuple[Remark, ...]:
    """Say what a request would of a file that has no name yet."""
    try:
        saving.demand_complete(path)
    except SourceError as error:
        return (Remark("problem", error.what, remedy=error.hint),)
    return tuple(Remark("hint", note) for note in saving.note(path))


def _on_disk(question: Question, path: Path) -> Source:
    beside = path.with_name(COMPRESSION)
    there = beside.is_file() and beside != path
    return Source(
        {"checkpoint": "file", "checkpoint.path": str(path)},
        question.dora_dir,
        beside=str(beside) if there else None,
        codec=beside if there else None,
    )


_KINDS = {"training": "checkpoint", "legacy": "legacy", "unreadable": "unreadable"}


def inspected(
    question: Question, path: Path, source: Source, epoch: int | None = None
) -> Inspection:
    """Inspect a file, wherever it came from.

    Args:
        question: what was asked.
        path: the file.
        source: how a request names it.
        epoch: that it is asked for by.
    """
    reading = read(path, question.tensors, epoch)
    model = reading.model
    prospect, remarks = None, [*reading.remarks]
    if model.form in ("training", "exported"):
        prospect, missing = prospect_of(reading, source)
        remarks += missing
    published = model.form in ("exported", "all_in_one", "reference")
    return Inspection(
        question.what,
        _KINDS.get(model.form, "file"),
        path,
        models=(model,),
        prospect=prospect,
        load=load_lines(str(path), model) if published else (),
        remarks=tuple(remarks),
    )


def inspected_experiment(question: Question, experiment: Experiment) -> Inspection:
    """Inspect the checkpoint that a release of an experiment would take."""
    folder = ExperimentFolder.of(experiment)
    remarks: list[Remark] = []
    epoch = None
    try:
        path = experiment.checkpoint(None)
    except SourceError as error:
        remarks.append(Remark("problem", error.what, error.where, error.hint))
        epochs = [number for number in experiment.checkpoints if number is not None]
        if not epochs:
            found = Inspection(question.what, "experiment", folder.folder, experiment=folder)
            return replace(found, remarks=tuple(remarks))
        epoch = epochs[-1]
        path = experiment.epoch_checkpoint(epoch)
    found = inspected(question, path, _in_dora(experiment, epoch), epoch)
    remarks += _foreign(found.models[0], experiment)
    remarks += [Remark("hint", note) for note in experiment.notes(path)]
    return replace(
        found,
        kind="experiment",
        path=folder.folder,
        models=(_completed(found.models[0], experiment),),
        experiment=folder,
        remarks=(*remarks, *found.remarks),
    )


def _in_dora(experiment: Experiment, epoch: int | None) -> Source:
    asked: dict[str, str | int] = {
        "checkpoint": "dora",
        "checkpoint.sig": f"{PREFIX}{experiment.sig}",
    }
    if not _by_default(experiment.dora_dir):
        asked["checkpoint.dora_dir"] = str(experiment.dora_dir.absolute())
    if epoch is not None:
        asked["checkpoint.epoch"] = epoch
    return Source(asked, experiment.dora_dir.absolute(), follows=True)


def _by_default(dora_dir: Path) -> bool:
    """Tell whether a request looks there without being told."""
    told = os.environ.get("AUDIOCRAFT_DORA_DIR")
    return bool(told) and expanded(str(told)).absolute() == dora_dir.absolute()


def _foreign(model: ModelFile, experiment: Experiment) -> list[Remark]:
    if model.signature in (None, experiment.sig):
        return []
    what = f"The checkpoint is of the experiment {model.signature}, not {experiment.sig}."
    asked = override("checkpoint.path", model.path)
    remedy = f"to release it all the same: checkpoint=file {asked}"
    return [Remark("problem", what, remedy=remedy)]


def _completed(model: ModelFile, experiment: Experiment) -> ModelFile:
    """Add what the experiment's own config and history say, where the file does not."""
    if not model.history:
        history = experiment.history
        told = tuple(valid_json(history))
        model = replace(model, history=told, epochs=len(told), best=best_of(history))
    if model.architecture is not None:
        return model
    try:
        return replace(model, architecture=Architecture.of(experiment.config))
    except FormatError:
        return model

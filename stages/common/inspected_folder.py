"""A folder, inspected by what is in it: a release, a run of the pipeline, or experiments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.layout import COMPRESSION, STATE_DICT, Outputs, Run
from pipeline.sheet import Remark
from stages.common.dora_folder import DoraFolder
from stages.common.experiment_folder import experiment_of
from stages.common.experiment_list import experiments_in
from stages.common.inspected_file import inspected_experiment, inspected_file
from stages.common.inspection import Inspection, Question, RunFolder
from stages.common.loading import load_lines
from stages.common.prospect import Source, disagreements, figures_of, prospect_of
from stages.common.reading import Reading, read
from stages.common.release_folder import Release, is_release, read_release, weights_in


def inspected_folder(question: Question, path: Path) -> Inspection:
    """Inspect a folder by what is in it."""
    if is_release(path):
        return _release(question, path)
    run = _run_of(path)
    if run is not None:
        return _run(question, run)
    experiment = experiment_of(path)
    if experiment is not None:
        return inspected_experiment(question, experiment)
    dora = DoraFolder.around(path) or DoraFolder(path)
    if dora.xps.is_dir():
        found = experiments_in(dora.root, question.outputs)
        return Inspection(question.what, "experiments", dora.root, experiments=found)
    raise _nothing_in(path)


def _run_of(path: Path) -> Run | None:
    run = Run(path, Outputs(path.parent.parent))
    return run if _done(run) or is_release(run.release.root) else None


def _done(run: Run) -> tuple[str, ...]:
    """Give the stages that are done, in the order in which they ended."""
    records = [p for p in run.root.glob("*/stage.json") if p == run.record(p.parent.name)]
    return tuple(p.parent.name for p in sorted(records, key=lambda p: p.stat().st_mtime_ns))


def _run(question: Question, run: Run) -> Inspection:
    """Inspect what a run of the pipeline has come to: its release, or what there is of one."""
    told = RunFolder(run.root, run.root.parent.name, run.root.name, _done(run))
    places = (run.release.root, run.export_lm.root, run.export_compression.root)
    for place in places:
        if is_release(place):
            return replace(_release(question, place), kind="run", path=run.root, run=told)
    if run.collect.checkpoint.is_file():
        found = inspected_file(question, run.collect.checkpoint.resolve())
        return replace(found, kind="run", path=run.root, run=told)
    return Inspection(question.what, "run", run.root, run=told)


def _release(question: Question, path: Path) -> Inspection:
    release, remarks = read_release(path)
    readings = tuple(read(file, question.tensors) for file in weights_in(path))
    if release.name is None and [r.model.path.name for r in readings] == [STATE_DICT]:
        remarks.append(Remark("hint", f"There is no {COMPRESSION} beside it, which a release has."))
    return _together(question, path, release, readings, remarks)


def inspected_repository(
    question: Question, files: Sequence[Path], remarks: Sequence[Remark]
) -> Inspection:
    """Inspect what was downloaded of a repository; ``remarks`` say what was not."""
    folder = files[0].parent
    release, faults = read_release(folder, whole=False)
    readings = tuple(read(file, question.tensors) for file in weights_in(folder))
    found = _together(question, folder, release, readings, [*faults, *remarks])
    first = readings[0]
    load = load_lines(question.what, first.model, paired=True)
    if first.model.family != "lm":
        return replace(found, load=load)
    asked: dict[str, str | int] = {"checkpoint": "hub", "checkpoint.repo_id": question.what}
    if question.revision != "main":
        asked["checkpoint.revision"] = question.revision
    codec = next((r.model.path for r in readings if r.model.family == "compression"), None)
    source = Source(asked, question.dora_dir, beside=question.what, codec=codec)
    prospect, missing = prospect_of(first, source)
    return replace(found, prospect=prospect, load=load, remarks=(*found.remarks, *missing))


def _together(
    question: Question,
    path: Path,
    release: Release,
    readings: tuple[Reading, ...],
    remarks: list[Remark],
) -> Inspection:
    """Put together what a folder's files are; a language model and its codec have to fit."""
    several = len(readings) > 1
    for reading in readings:
        name = f"{reading.model.path.name}: " if several else ""
        remarks += [replace(remark, what=name + remark.what) for remark in reading.remarks]
    models = tuple(reading.model for reading in readings)
    lm = next((r for r in readings if r.model.form == "exported" and r.model.family == "lm"), None)
    codec = next((model for model in models if model.family == "compression"), None)
    if lm is not None and codec is not None:
        remarks += disagreements(lm.settings, figures_of(codec.path, codec.pretrained))
    return Inspection(
        question.what,
        "release",
        path,
        models=models,
        release=release,
        load=load_lines(str(path), models[0], codec is not None) if models else (),
        remarks=tuple(remarks),
    )


def _nothing_in(path: Path) -> SourceError:
    """Say what a folder holds that is neither a release, a run, nor an experiment."""
    names = sorted(p.name + ("/" if p.is_dir() else "") for p in path.iterdir())
    shown = [name for name in names if not name.startswith(".")]
    more = f" and {len(shown) - 6} more" if len(shown) > 6 else ""
    return SourceError(
        "The folder is no release, no run, no experiment, and no Dora folder.",
        str(path),
        f"It holds {', '.join(shown[:6])}{more}: name one of them." if shown else "It is empty.",
    )

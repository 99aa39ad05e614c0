"""An inspection as a page for people: first what it is, at the end what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from shlex import quote
from typing import Any

from pipeline.amounts import amount, many
from pipeline.sheet import Fields, Grid, Lines, Part, Sheet, Title
from stages.common.experiment_folder import ExperimentFolder
from stages.common.experiment_sheet import damages, experiment_grid
from stages.common.experiments import PREFIX
from stages.common.inspection import Inspection, RunFolder
from stages.common.model_sheet import headline, model_parts, tensor_grid
from stages.common.prospect import Prospect
from stages.common.release_folder import Release


def sheet(found: Inspection) -> Sheet:
    """Set out an inspection."""
    return tuple(_parts(found))


def tensor_sheet(found: Inspection) -> Sheet:
    """Set out the tensors that were asked for, a table for each state, and what is wrong."""
    listed = [(model, state) for model in found.models for state in model.states if state.tensors]
    grids = (tensor_grid(model, state) for model, state in listed)
    problems = (remark for remark in found.remarks if remark.severity == "problem")
    return (_title(found), *grids, *problems)


def _parts(found: Inspection) -> Iterator[Part]:
    yield _title(found)
    if found.run is not None:
        yield _run(found.run)
    if found.release is not None:
        yield from _release(found.release)
    if found.experiments:
        note = (
            f"One of them: python -m pipeline.inspect //sig/SIG --dora-dir {quote(str(found.path))}"
        )
        yield experiment_grid(found.experiments, note)
        yield from damages(found.experiments)
    for model in found.models:
        if len(found.models) > 1:
            yield Title(f"{model.path.name}: {headline(model)}")
        yield from model_parts(model)
    if found.experiment is not None:
        yield _checkpoints(found.experiment)
    if found.prospect is not None:
        yield from _prospect(found.prospect, found.sound)
    if found.load:
        yield Lines(found.load, "To load it")
    yield from sorted(found.remarks, key=lambda remark: remark.severity != "problem")


def _title(found: Inspection) -> Title:
    first = found.models[0] if found.models else None
    if found.kind == "experiments":
        return Title(many(len(found.experiments), "experiment"), str(found.path))
    if found.kind == "run" and found.run is not None:
        return Title(f"A run of the pipeline, for the release {found.run.release}", str(found.path))
    if found.release is not None:
        name = " ".join(filter(None, (found.release.name, found.release.version)))
        told = f"The release {name}" if name else "A folder of exported files"
        return Title(told, str(found.path))
    if found.experiment is not None and first is not None:
        return Title(f"{PREFIX}{found.experiment.signature}: {headline(first)}", str(first.path))
    if found.experiment is not None:
        return Title(f"{PREFIX}{found.experiment.signature}: an experiment", str(found.path))
    return Title(headline(first) if first else found.kind, str(found.path))


def _checkpoints(experiment: ExperimentFolder) -> Grid:
    rows = tuple(
        (
            "last" if file.epoch is None else str(file.epoch),
            file.path.name,
            amount(file.size),
            ", ".join(rank.name for rank in file.ranks),
            amount(file.total),
        )
        for file in experiment.checkpoints
    )
    columns = 5 if any(file.ranks for file in experiment.checkpoints) else 3
    return Grid(
        ("epoch", "file", "size", "other ranks", "together")[:columns],
        tuple(row[:columns] for row in rows),
        "Checkpoints of the experiment",
        "" if rows else "There are none.",
    )


def _run(run: RunFolder) -> Fields:
    done = ", ".join(run.stages) or "none"
    return Fields((("variant", run.variant), ("stages done", done)))


def _release(release: Release) -> Iterator[Part]:
    exported, source = release.settings.get("export_lm"), release.source
    settings = exported if isinstance(exported, Mapping) else {}
    yield Fields(
        (
            (
                "made by",
                f"version {release.pipeline} of this pipeline" if release.pipeline else "",
            ),
            ("source", ", ".join(_source(source))),
            ("base model", str(source.get("base_model") or "")),
            ("written as", str(settings.get("dtype") or "")),
            ("overrides", _pairs(settings.get("config_overrides"))),
        )
    )
    rows = tuple(
        (file.name, "-" if file.size is None else amount(file.size), file.verdict)
        for file in release.files
    )
    yield Grid(("file", "size", ""), rows, "Files")


def _source(source: Mapping[str, Any]) -> Iterator[str]:
    signature = source.get("signature")
    named = source.get("repo_id") or source.get("url")
    if named or signature:
        yield str(named or f"{PREFIX}{signature}")
    if source.get("state"):
        yield f"{source['state']} state"
    if source.get("epoch"):
        yield f"epoch {source['epoch']} of {source.get('epochs') or '?'}"


def _pairs(value: Any) -> str:
    return ", ".join(f"{k}: {v}" for k, v in value.items()) if isinstance(value, Mapping) else ""


def _prospect(prospect: Prospect, sound: bool) -> Iterator[Part]:
    rows = tuple(
        (
            file.name,
            "-" if file.bytes is None else amount(file.bytes),
            "-" if file.float16 is None else amount(file.float16),
            file.content,
        )
        for file in prospect.files
    )
    yield Grid(("file", "size", "as float16", "content"), rows, "A release would hold")
    yield Lines(
        (prospect.command,), "To make it" if sound else "To make it, once the problems are solved"
    )

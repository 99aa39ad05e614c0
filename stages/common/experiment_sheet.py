"""Experiments as a page: a line for each; what is damaged is told below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from shlex import quote
from typing import Any

from pipeline.amounts import amount, count, many
from pipeline.sheet import Grid, Remark, Sheet, Title
from stages.common.codecs import REFERENCE_PREFIX
from stages.common.document import FORMAT, plain
from stages.common.experiment_list import ExperimentList
from stages.common.experiments import PREFIX
from stages.common.history import BEST_METRIC, number
from stages.common.listed_experiment import ListedExperiment

SHOWN = 5
"""How many damaged ones are told about."""

_LESS_WANTED = ("files", "size", "released as", "codec", "base model")
"""The columns that a narrow terminal goes without, the last first."""


def sheet(found: ExperimentList) -> Sheet:
    """Set out a list of experiments."""
    shown = found.experiments
    told = many(found.total, "experiment")
    if len(shown) < found.total:
        told = f"{len(shown):,} of {told}"
    example = f"{PREFIX}{shown[0].signature}" if shown else f"{PREFIX}SIG"
    folder = quote(str(found.dora_dir))
    note = f"More of one: python -m pipeline.inspect {example} --dora-dir {folder}"
    grid = experiment_grid(shown, note if shown else "")
    return (Title(told, str(found.dora_dir)), *([grid] if shown else []), *damages(shown))


def document(found: ExperimentList) -> dict[str, Any]:
    """Give a list of experiments as JSON can hold it."""
    return {"format": FORMAT, **plain(found)}


def experiment_grid(experiments: Sequence[ListedExperiment], note: str = "") -> Grid:
    """Set out experiments, a line each; a column in which nothing stands is left out."""
    lines = [_cells(one) for one in experiments]
    header = [name for name in (lines[0] if lines else ()) if any(line[name] for line in lines)]
    rows = tuple(tuple(line[name] or "-" for name in header) for line in lines)
    return Grid(tuple(header), rows, note=note, less_wanted=_LESS_WANTED)


def damages(experiments: Sequence[ListedExperiment]) -> Iterator[Remark]:
    """Tell what is wrong with those that are damaged."""
    damaged = [one for one in experiments if one.damage]
    for one in damaged[:SHOWN]:
        yield Remark("hint", f"{PREFIX}{one.signature}: {one.damage}")
    if damaged[SHOWN:]:
        yield Remark("hint", f"{len(damaged) - SHOWN:,} more are damaged; --json tells of each.")


def _cells(one: ListedExperiment) -> dict[str, str]:
    value = number(one.best.value) if one.best else None
    epochs = f"{one.epochs}/{one.planned}" if one.planned is not None else str(one.epochs)
    return {
        "signature": f"{PREFIX}{one.signature}",
        "solver": one.solver or "",
        "size": count(one.size) if one.size else "",
        "epochs": epochs,
        f"best {BEST_METRIC}": "" if value is None else f"{value:.4g}",
        "at": str(one.best.epoch) if one.best else "",
        "files": str(len(one.checkpoints)),
        "disk": amount(one.disk),
        "progress": f"{one.progress}, FSDP" if one.fsdp else one.progress,
        "codec": (one.codec or "").removeprefix(REFERENCE_PREFIX),
        "base model": one.base_model or "",
        "released as": ", ".join(one.released),
    }

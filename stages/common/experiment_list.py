"""The experiments that there are, filtered and sorted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigError, SourceError
from pipeline.layout import Outputs
from stages.common.condition import Condition, suggestion
from stages.common.dora_folder import DoraFolder
from stages.common.experiment_folder import experiment_of
from stages.common.experiments import Experiment, signatures_in
from stages.common.listed_experiment import ListedExperiment
from stages.common.released import released_in


@dataclass(frozen=True)
class ExperimentList:
    """Some experiments of a Dora folder, in order.

    Attributes:
        dora_dir: the folder that holds ``xps``, absolute.
        experiments: those that were asked for.
        total: how many there are.
    """

    dora_dir: Path
    experiments: tuple[ListedExperiment, ...]
    total: int


def list_experiments(
    dora_dir: Path | None, outputs: Outputs, where: str | None = None, sort: str | None = None
) -> ExperimentList:
    """List the experiments of a Dora folder.

    Args:
        dora_dir: that folder, or the ``xps`` in it; ``None`` for that of the runs in ``outputs``.
        outputs: where runs write, to tell what has been released.
        where: a condition over the values of an experiment; see `ListedExperiment.values`.
        sort: one of these values, from the least; with ``-`` before it from the greatest.
            What has no such value is last. Without it, by signature.

    Raises:
        ConfigError: for a condition or a value that makes no sense.
        SourceError: when there is no such folder.
    """
    condition = None if where is None else Condition.parse(where, "--where")
    dora = _dora_folder(dora_dir, outputs)
    found = experiments_in(dora.root, outputs)
    known = tuple(dict.fromkeys(name for one in found for name in one.values))
    chosen: Sequence[ListedExperiment] = found
    if condition is not None and found:
        condition.demand_known(known)
        chosen = [one for one in found if condition.holds(one.values)]
    if sort is not None and found:
        chosen = _sorted(chosen, sort, known)
    return ExperimentList(dora.root, tuple(chosen), len(found))


def experiments_in(dora_dir: Path, outputs: Outputs) -> tuple[ListedExperiment, ...]:
    """Look at every experiment of a Dora folder, in the order of their signatures."""
    released = released_in(outputs)
    return tuple(
        ListedExperiment.of(Experiment(dora_dir, name), released.get(name, ()))
        for name in signatures_in(dora_dir)
    )


def _sorted(
    experiments: Sequence[ListedExperiment], sort: str, known: Sequence[str]
) -> list[ListedExperiment]:
    name = sort.removeprefix("-")
    if name not in known:
        what = f"--sort {sort}: nothing has a value {name}."
        raise ConfigError(what, hint=suggestion(name, known))
    values = [(one.values.get(name), one) for one in experiments]
    # NaN, which is in no order, is no more of a value than null.
    there = [(value, one) for value, one in values if value is not None and value == value]
    there.sort(key=lambda pair: (isinstance(pair[0], str), pair[0]), reverse=sort != name)
    missing = [one for value, one in values if value is None or value != value]
    return [*(one for _, one in there), *missing]


def _dora_folder(given: Path | None, outputs: Outputs) -> DoraFolder:
    """Give the folder that was named, or else that of the experiments that runs have trained."""
    if given is None:
        if DoraFolder(outputs.dora).xps.is_dir():
            return DoraFolder(outputs.dora.absolute())
        raise SourceError(
            "Where are the experiments? No folder is given.",
            "AUDIOCRAFT_DORA_DIR is not set, and no run here has trained any.",
            "Name the folder that holds xps: python -m pipeline.experiments /path/to/dora",
        )
    path = given.absolute()
    dora = DoraFolder.around(path) or DoraFolder(path)
    if dora.xps.is_dir():
        return dora
    if not path.is_dir():
        raise SourceError("There is no such folder.", str(path), "It is the one that holds xps.")
    inside = experiment_of(path)
    hint = f"Did you mean {inside.dora_dir}?" if inside else "Give the folder that holds it."
    raise SourceError("The folder has no xps folder in it.", str(path), hint)

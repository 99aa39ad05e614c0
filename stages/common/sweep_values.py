"""What ``all``, ``best:3`` or a condition stand for in a sweep: what experiments have on disk.

Nothing is guessed from a training config: an epoch counts when its checkpoint is there, and is
ranked by what the run's ``history.json`` says of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.amounts import many
from pipeline.errors import ConfigError, FormatError, SourceError
from stages.common.condition import Condition
from stages.common.experiments import PREFIX, Experiment, find_experiment, signatures_in
from stages.common.grids import signatures_of
from stages.common.history import History, metrics_of

_EPOCHS = re.compile(r"all|(best|last|every):([0-9]+)")
_GRID = "grid:"


def is_rule(key: str, value: object) -> bool:
    """Tell whether a value stands for others: ``checkpoint.epoch=best:3``, ``checkpoint.sig=all``.

    Raises:
        ConfigError: for what is neither that nor a value; says what works.
    """
    if key == "checkpoint.where":
        return value is not None
    if not isinstance(value, str):
        return False
    if key == "checkpoint.sig":
        return value == "all" or value.startswith(_GRID)
    if key != "checkpoint.epoch" or value.isdigit():
        return False
    found = _EPOCHS.fullmatch(value)
    if found is None or found[2] is not None and int(found[2]) < 1:
        works = "checkpoint.epoch=all, best:3, last:5, every:10, or numbers: 10,20"
        raise ConfigError(f"checkpoint.epoch={value} names no epochs.", hint=f"This works: {works}")
    return True


@dataclass(frozen=True)
class Question:
    """What a sweep asks for.

    Attributes:
        dora_dir: the folder of the experiments; ``None`` when none was given.
        sig: ``//sig/SIG``, ``all``, or ``grid:NAME``.
        epoch: a number, a rule such as ``best:3``, or ``None`` for the last file.
        where: what an epoch has to fulfil; ``None`` for nothing.
        metric: by which epochs are ranked, dotted: ``valid.ce``.
        mode: ``min`` or ``max``: which end of it is the best.
        solver: the kind of experiment that is wanted of several; ``None`` for any.
    """

    dora_dir: Path | None
    sig: str
    epoch: int | str | None
    where: str | None
    metric: str
    mode: str
    solver: str | None


@dataclass(frozen=True)
class Choice:
    """One job of a sweep.

    Attributes:
        sig: the signature.
        epoch: ``None`` for the last file.
        metric: what the epoch was ranked by, as far as the history has it.
    """

    sig: str
    epoch: int | None
    metric: float | None


@dataclass
class Answer:
    """What a question leads to; ``notes`` say what was left out, and why."""

    choices: list[Choice] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def answer(question: Question) -> Answer:
    """Find the experiments and epochs that a question asks for.

    Raises:
        ConfigError: for a condition or a metric that no epoch can have.
        SourceError: when there is no such experiment, or it cannot be ranked.
    """
    found = Answer()
    where = Condition.parse(question.where, "checkpoint.where") if question.where else None
    experiments = list(_experiments(question, found.notes))
    several = len(experiments) != 1
    if where is not None:
        _demand_known(where, experiments)
    for experiment in experiments:
        try:
            found.choices += _choices(experiment, question, where, found.notes)
        except (SourceError, FormatError) as error:
            if not several:
                raise
            found.notes.append(f"{PREFIX}{experiment.sig} is left out: {error.what}")
    if not found.choices and not found.notes:
        asked = f"checkpoint.epoch={question.epoch}" if question.epoch is not None else ""
        asked += f" checkpoint.where={question.where}" if question.where else ""
        found.notes.append(f"{question.sig}: no epoch is left of {asked.strip()}")
    return found


def _experiments(question: Question, notes: list[str]) -> Iterator[Experiment]:
    if question.dora_dir is None:
        raise ConfigError(
            "checkpoint.dora_dir is missing.",
            hint="Give the folder that holds xps/: checkpoint.dora_dir=/path/to/dora, "
            "or set AUDIOCRAFT_DORA_DIR",
        )
    if not is_rule("checkpoint.sig", question.sig):
        yield find_experiment(question.dora_dir, question.sig)
        return
    other: dict[str, int] = {}
    for sig in _signatures(question.dora_dir, question.sig):
        experiment = Experiment(question.dora_dir, sig)
        try:
            solver = experiment.config.get("solver")
        except FormatError as error:
            notes.append(f"{PREFIX}{sig} is left out: {error.what}")
            continue
        if question.solver not in (None, solver):
            other[str(solver)] = other.get(str(solver), 0) + 1
        else:
            yield experiment
    for solver, count in sorted(other.items()):
        notes.append(f"{count} of solver {solver} left out: the release is of {question.solver}")


def _signatures(dora_dir: Path, rule: str) -> Sequence[str]:
    if rule.startswith(_GRID):
        return signatures_of(dora_dir, rule.removeprefix(_GRID))
    try:
        return signatures_in(dora_dir)
    except OSError as error:
        raise SourceError(
            f"The experiments cannot be listed: {error.strerror}.",
            str(error.filename or dora_dir),
            "Give the folder that holds xps/: checkpoint.dora_dir=/path/to/dora",
        ) from error


def _demand_known(where: Condition, experiments: Sequence[Experiment]) -> None:
    """Refuse a name that no epoch has; where a history cannot be read, that is told instead."""
    names, spoilt = set[str](), False
    for experiment in experiments:
        try:
            names |= {name for epoch in experiment.read_history() for name in metrics_of(epoch)}
        except FormatError:
            if len(experiments) == 1:
                raise
            spoilt = True
    if names or not spoilt:
        where.demand_known(["epoch", *sorted(names)])


def _choices(
    experiment: Experiment, question: Question, where: Condition | None, notes: list[str]
) -> Iterator[Choice]:
    """Give the jobs of one experiment."""
    rule = question.epoch
    if rule is None and where is None:
        experiment.checkpoint(None)
        yield Choice(experiment.sig, None, None)
        return
    best = isinstance(rule, str) and rule.startswith("best:")
    history = _history(experiment, notes, needed=best or where is not None)

    def metrics(epoch: int) -> dict[str, float]:
        return metrics_of(history[epoch - 1]) if 1 <= epoch <= len(history) else {}

    epochs = [rule] if isinstance(rule, int) else _on_disk(experiment, notes)
    if where is not None:
        epochs = [e for e in epochs if where.holds({**metrics(e), "epoch": float(e)})]
    ranks = {epoch: metrics(epoch).get(question.metric, math.nan) for epoch in epochs}
    chosen = _ruled(rule, epochs, ranks, question)
    if _asked(rule) > len(chosen) > 0:
        told = f"{rule} is {many(len(chosen), 'epoch')}, all that there are"
        notes.append(f"{PREFIX}{experiment.sig}: {told}")
    for epoch in chosen:
        rank = ranks[epoch]
        yield Choice(experiment.sig, epoch, rank if math.isfinite(rank) else None)


def _history(experiment: Experiment, notes: list[str], *, needed: bool) -> History:
    """Give what is known of every epoch; a history that nothing depends on may be damaged."""
    try:
        return experiment.read_history()
    except FormatError as error:
        if needed:
            raise
        notes.append(f"{PREFIX}{experiment.sig}: its epochs have no metrics: {error.what}")
        return []


def _asked(rule: int | str | None) -> int:
    """Tell how many epochs ``best:3`` and ``last:5`` ask for; 0 for any number."""
    found = _EPOCHS.fullmatch(rule) if isinstance(rule, str) else None
    return int(found[2]) if found and found[1] in ("best", "last") else 0


def _on_disk(experiment: Experiment, notes: list[str]) -> Sequence[int]:
    """Give the epochs that have a checkpoint; a last file that is damaged is left out."""
    try:
        return experiment.epochs_on_disk
    except FormatError as error:
        epochs = [epoch for epoch in experiment.checkpoints if epoch is not None]
        if not epochs:
            raise
        notes.append(f"{PREFIX}{experiment.sig}: its last file is left out: {error.what}")
        return epochs


def _ruled(
    rule: int | str | None, epochs: Sequence[int], ranks: dict[int, float], question: Question
) -> Sequence[int]:
    """Apply ``best:3``, ``last:5``, ``every:10``; anything else leaves all of them."""
    found = _EPOCHS.fullmatch(rule) if isinstance(rule, str) else None
    if found is None or found[1] is None:
        return epochs
    count = int(found[2])
    if found[1] == "last":
        return epochs[-count:]
    if found[1] == "every":
        return [epoch for epoch in epochs if epoch % count == 0]
    ranked = [epoch for epoch in epochs if math.isfinite(ranks[epoch])]
    if epochs and not ranked:
        raise SourceError(
            f"No epoch has the metric {question.metric}, so none is the best.",
            f"checkpoint.epoch={rule}",
            "Name one that the run has kept: select.metric=valid.ce select.mode=min",
        )
    sign = -1 if question.mode == "max" else 1
    return sorted(sorted(ranked, key=lambda epoch: (sign * ranks[epoch], epoch))[:count])

"""A model's file, read for people: what it is, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from pipeline.amounts import apart
from pipeline.errors import FormatError, PipelineError, SourceError
from pipeline.sheet import Remark, Severity
from stages.common import saving, traps, xp_config
from stages.common.archive import is_legacy
from stages.common.best import Best
from stages.common.checkpoint import Checkpoint
from stages.common.checks import FAIL, WARN, Outcome
from stages.common.history import BEST_METRIC, score_of
from stages.common.lineage import never_averaged
from stages.common.model_file import ModelFile, remains_of
from stages.common.requirements import requirements
from stages.common.settings import CODEC_NODES, LM_NODES, Settings
from stages.common.state_choice import choose_state

_WORSE = 1.25
"""How many times the best loss the last one is when a run is said to have diverged."""


@dataclass(frozen=True)
class Reading:
    """What was found in a file.

    Attributes:
        model: what it holds.
        remarks: what is wrong with it.
        settings: what AudioCraft's builders would read of its config.
        state: the state that a release takes unless another is asked for.
        chosen: whether that has to be asked for.
    """

    model: ModelFile
    remarks: tuple[Remark, ...]
    settings: Settings
    state: str | None = None
    chosen: bool = False


def read(path: Path, tensors: Collection[str] = (), epoch: int | None = None) -> Reading:
    """Read a file as far as it can be; what is wrong with it comes along.

    Args:
        path: the file, one that is there.
        tensors: the names of the states whose tensors are to be listed.
        epoch: that it is asked for by.
    """
    path = path.absolute()
    if is_legacy(path):
        model = ModelFile(path, path.stat().st_size, "legacy")
        return Reading(model, (_LEGACY,), Settings({}, {}))
    try:
        with Checkpoint.open(path) as checkpoint:
            return _read(checkpoint, ModelFile.of(checkpoint, tensors), epoch)
    except FormatError as error:
        model = remains_of(path, tensors)
        refusal = _refusal(saving.explained(error, path), model)
        return Reading(model, tuple(refusal), Settings({}, {}))


_LEGACY = Remark(
    "hint",
    "The file is in torch's form from before 1.6, which has no directory: only torch can read it.",
    remedy="a release reads it safely and converts it: checkpoint=file, plan_only=true to look",
)


def _read(checkpoint: Checkpoint, model: ModelFile, epoch: int | None) -> Reading:
    lm = checkpoint.family == "lm"
    # As it will be released: an export writes `conditioners: null` as what AudioCraft can load.
    config = xp_config.loadable(checkpoint.config)
    settings = Settings.of(config, LM_NODES if lm else CODEC_NODES)
    if checkpoint.pretrained is not None:
        return Reading(model, (), settings)
    remarks = [*_config(config, settings, lm)]
    try:
        state, chosen = choose_state(checkpoint, "auto", epoch).name, False
    except (SourceError, FormatError) as error:
        state, chosen = next(iter(checkpoint.states)), True
        remarks.append(Remark("hint", error.what, remedy=error.hint))
    remarks += _training(checkpoint, model, state)
    remarks += _of_other_ranks(checkpoint, model.shards)
    return Reading(model, tuple(remarks), settings, state, chosen)


def _refusal(error: PipelineError, model: ModelFile) -> Iterator[Remark]:
    where = "" if error.where == str(model.path) else error.where
    yield Remark("problem", error.what, where, error.hint)
    if not model.whole:
        promised = sum(content.bytes for content in model.contents)
        yield Remark(
            "problem",
            _short(promised, model.size),
            remedy="wait for the run to save it, or copy it again; this cannot be repaired",
        )


def _short(promised: int, size: int) -> str:
    """Tell how much is missing, as far as that is known: more than tensors is in a file."""
    if size < promised:
        told, whole = apart(promised, size)
        return f"Its beginning promises {told} of tensors; the whole file is only {whole}."
    return (
        f"Its beginning promises {promised:,} B of tensors and more around them; the whole file "
        f"is {size:,} B."
    )


def _config(config: DictConfig, settings: Settings, lm: bool) -> Iterator[Remark]:
    """Find what keeps AudioCraft from building the model, or from building the right one."""
    yield from remarks_of(requirements(config, settings))
    if lm:
        yield from remarks_of(traps.segment_duration(settings))


def remarks_of(outcome: Outcome) -> Iterator[Remark]:
    """Turn what a check of a release saw into a remark, where it saw something."""
    if outcome.verdict in (FAIL, WARN):
        severity: Severity = "problem" if outcome.verdict == FAIL else "hint"
        yield Remark(severity, outcome.message, remedy=outcome.remedy)


def _training(checkpoint: Checkpoint, model: ModelFile, state: str) -> Iterator[Remark]:
    """Find what went wrong in training."""
    if never_averaged(checkpoint.root):
        yield Remark(
            "hint",
            "The averaged weights were never updated: best and ema are those that training began "
            "with (optim.ema.updates).",
            remedy="take the trained ones: checkpoint.state=last",
        )
    last = score_of(checkpoint.history[-1]) if checkpoint.history else None
    if last is None:
        return
    taken = state == "best" or "best" not in checkpoint.states
    remedy = "" if taken else "take the best one: checkpoint.state=best"
    if model.best is None or not math.isfinite(last):
        yield Remark(
            "hint",
            f"The last epoch's valid {BEST_METRIC} is {last:g}"
            + (": no epoch was ever best." if model.best is None else ": the run diverged."),
            remedy=remedy,
        )
    elif isinstance(model.best.value, float) and last > _WORSE * model.best.value > 0:
        yield Remark("hint", _diverged(model.best, last), remedy=remedy)


def _of_other_ranks(checkpoint: Checkpoint, apart: Collection[str]) -> Iterator[Remark]:
    """Say why what lies in shards cannot be joined, where that is not for want of files."""
    told = set()
    for name in apart:
        try:
            checkpoint.state(name)
        except SourceError:
            return  # which the table of the weights says
        except FormatError as error:
            told.add((error.what, error.where, error.hint))
    for what, where, remedy in sorted(told):
        yield Remark("hint", what, where, remedy)


def _diverged(best: Best, last: float) -> str:
    return (
        f"The last epoch is much worse than the best: valid {best.metric} {last:.3f}, after "
        f"{best.value:.3f} in epoch {best.epoch}, which the best state is from."
    )

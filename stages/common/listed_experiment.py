"""An experiment as a line of a list: what it is and how far it came, by small files alone.

Its history and its config tell; no checkpoint is opened, so that a thousand take seconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from pipeline.errors import PipelineError, SourceError
from stages.common.best import Best, best_of
from stages.common.condition import Value
from stages.common.experiment_folder import CheckpointFile, checkpoint_files
from stages.common.experiments import Experiment
from stages.common.history import History, metrics_of, number
from stages.common.lineage import base_model
from stages.common.parameters import parameters_of
from stages.common.xp_outline import Outline

Progress = Literal["complete", "running", "interrupted", "not begun", "unknown", "damaged"]

QUIET = 600.0
"""Seconds without a word after which a run counts as interrupted, unless its epochs take longer."""

_DAY = 86400.0
_SECTIONS = ("train", "valid", "evaluate", "generate")

T = TypeVar("T")


@dataclass(frozen=True)
class ListedExperiment:
    """One experiment.

    Attributes:
        signature: its name.
        folder: where it is, absolute.
        progress: ``complete`` when its history has all the epochs of its config; ``running`` when
            it has not and something was written lately, which is a guess; else ``interrupted``.
            ``not begun`` has neither config nor history; ``unknown`` does not say how many epochs
            it takes; of a ``damaged`` one something cannot be read.
        solver: what trains it, ``musicgen`` for instance.
        size: the number of parameters by its config; ``None`` where that does not tell.
        epochs: how many its history counts.
        planned: how many it takes.
        best: the best of them, as AudioCraft judges it.
        metrics: those of the best epoch by dotted name.
        checkpoints: by epoch, the last one at the end.
        codec: that it was trained on, as its config names it.
        base_model: the public model that it went on from.
        fsdp: whether it is trained in shards.
        released: its releases, each as ``<release>/<variant>``.
        damage: what cannot be read.
    """

    signature: str
    folder: Path
    progress: Progress
    solver: str | None = None
    size: int | None = None
    epochs: int = 0
    planned: int | None = None
    best: Best | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    checkpoints: tuple[CheckpointFile, ...] = ()
    codec: str | None = None
    base_model: str | None = None
    fsdp: bool = False
    released: tuple[str, ...] = ()
    damage: str | None = None

    @classmethod
    def of(
        cls, experiment: Experiment, released: Sequence[str] = (), now: float | None = None
    ) -> ListedExperiment:
        """Look at an experiment; what is wrong with it is part of what is found.

        Args:
            experiment: which one.
            released: its releases.
            now: in seconds since 1970; the time of day where it is not given.
        """
        files, unseen = _attempt(lambda: checkpoint_files(experiment))
        epochs, unread = _attempt(experiment.read_history)
        outline, untold = _attempt(lambda: experiment.outline)
        checkpoints, history, config = files or (), epochs or [], outline or Outline({})
        begun = bool(unseen or unread or history or checkpoints) or _configured(experiment)
        damage = (unseen or unread or untold) if begun else None
        planned, best = config.number("optim.epochs"), best_of(history)
        total = planned if isinstance(planned, int) else None
        return cls(
            signature=experiment.sig,
            folder=experiment.folder.absolute(),
            progress="damaged" if damage else _progress(experiment, history, total, begun, now),
            solver=config.text("solver"),
            size=parameters_of(config),
            epochs=len(history),
            planned=total,
            best=best,
            metrics=metrics_of(history[best.epoch - 1]) if best else {},
            checkpoints=checkpoints,
            codec=config.text("compression_model_checkpoint"),
            base_model=base_model(config.text("continue_from")),
            fsdp=config.flag("fsdp.use") or any(file.ranks for file in checkpoints),
            released=tuple(released),
            damage=damage or None,
        )

    @property
    def disk(self) -> int:
        """The bytes of its checkpoints, those of all ranks included."""
        return sum(file.total for file in self.checkpoints)

    @property
    def values(self) -> dict[str, Value]:
        """What lists are sorted and filtered by: each field, and the metrics of the best epoch."""
        return {
            "signature": self.signature,
            "solver": self.solver,
            "size": self.size,
            "epochs": self.epochs,
            "planned": self.planned,
            "best": number(self.best.value) if self.best else None,
            "best_epoch": self.best.epoch if self.best else None,
            "checkpoints": len(self.checkpoints),
            "disk": self.disk,
            "codec": self.codec,
            "base_model": self.base_model,
            "progress": self.progress,
            "complete": self.progress == "complete",
            "running": self.progress == "running",
            "interrupted": self.progress == "interrupted",
            "fsdp": self.fsdp,
            "released": len(self.released),
            **self.metrics,
        }


def _attempt(read: Callable[[], T]) -> tuple[T | None, str]:
    """Give what is read, or the reason why it cannot be."""
    try:
        return read(), ""
    except (PipelineError, OSError) as error:
        told = error if isinstance(error, PipelineError) else SourceError.from_os(error)
        return None, f"{told.what} {told.where}".rstrip()


def _configured(experiment: Experiment) -> bool:
    with suppress(OSError):
        return experiment.config_file.exists()
    return False


def _progress(
    experiment: Experiment, history: History, planned: int | None, begun: bool, now: float | None
) -> Progress:
    if not begun:
        return "not begun"
    if planned is not None and len(history) >= planned:
        return "complete"
    took = metrics_of(history[-1]) if history else {}
    epoch = sum(took.get(f"{section}.duration", 0.0) for section in _SECTIONS)
    silence = (time.time() if now is None else now) - _last_written(experiment.folder)
    if silence < max(QUIET, min(2 * epoch, _DAY)):
        return "running"
    return "unknown" if planned is None else "interrupted"


def _last_written(folder: Path) -> float:
    """Give when something was last written in a folder, in seconds since 1970."""
    with suppress(OSError), os.scandir(folder) as entries:
        return max((entry.stat().st_mtime for entry in entries if entry.is_file()), default=0.0)
    return 0.0

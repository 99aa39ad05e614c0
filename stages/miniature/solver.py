"""The training loop, in the order of AudioCraft's: train, validate, keep the best, save."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from stages.miniature import checkpoint
from stages.miniature.averages import CosineSchedule, MovingAverage
from stages.miniature.limits import demand_known

logger = logging.getLogger(__name__)

Metrics = dict[str, float]
History = list[dict[str, Metrics]]


class Solver(ABC):
    """Trains one experiment in its folder, from wherever an earlier run left off.

    Attributes:
        history: one entry per finished epoch: ``{"train": metrics, "valid": metrics}``. Holds no
            durations, so that two runs of one experiment agree.
        best: the weights of the best epoch so far.
        average: what follows the weights, where the config wants it.
    """

    measure: str
    """The metric of the validation split that people are shown."""

    def __init__(
        self, cfg: DictConfig, folder: Path, signature: str, commit: Callable[[History], None]
    ) -> None:
        """Prepare the model and its optimizer; ``commit`` is given the history of every epoch."""
        demand_known(cfg)
        torch.set_num_threads(cfg.num_threads)
        self.cfg, self.folder, self.signature, self.commit = cfg, folder, signature, commit
        self.model = self.build()
        ema = cfg.optim.ema
        self.average = MovingAverage(self.model, ema.decay) if ema.use else None
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=cfg.optim.lr,
            betas=tuple(cfg.optim.adam.betas),
            eps=cfg.optim.adam.eps,
            weight_decay=cfg.optim.adam.weight_decay,
        )
        cosine = cfg.schedule.cosine
        self.schedule = CosineSchedule(
            self.optimizer, cfg.optim.epochs * cfg.optim.updates_per_epoch,
            cosine.warmup, cosine.lr_min_ratio, cosine.cycle_length,
        )  # fmt: skip
        self.history: History = []
        self.best: dict[str, Tensor] = {}

    @abstractmethod
    def build(self) -> nn.Module:
        """Build the model with the weights to start from."""

    @abstractmethod
    def train(self, epoch: int) -> Metrics:
        """Update the weights for one epoch."""

    @abstractmethod
    def validate(self) -> Metrics:
        """Judge the weights, on the same data after every epoch."""

    @abstractmethod
    def judged(self) -> dict[str, Tensor]:
        """Give a copy of the weights that `validate` judges."""

    @abstractmethod
    def is_best(self, valid: Metrics) -> bool:
        """Tell whether an epoch is better than all in the history."""

    def run(self) -> None:
        """Train the epochs that are still missing."""
        self.restore()
        total = self.cfg.optim.epochs
        for epoch in range(len(self.history) + 1, total + 1):
            metrics = {"train": self.train(epoch), "valid": self.validate()}
            if self.is_best(metrics["valid"]):
                self.best = self.judged()
            self.history.append(metrics)
            every = self.cfg.checkpoint.save_every
            checkpoint.save(self.state(), self.folder, epoch, bool(every) and epoch % every == 0)
            self.commit(self.history)
            value = metrics["valid"][self.measure]
            logger.info("epoch %d of %d: valid %s %.4f", epoch, total, self.measure, value)

    def step(self, loss: Tensor) -> Metrics:
        """Follow a loss for one update; gives the learning rate and the norm of the gradient."""
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.cfg.optim.max_norm)
        rate = float(self.optimizer.param_groups[0]["lr"])
        self.optimizer.step()
        self.schedule.step()
        return {"lr": rate, "grad_norm": norm.item()}

    def state(self) -> dict[str, Any]:
        """Give everything that a checkpoint holds, under AudioCraft's keys and in its order."""
        return {
            "history": self.history,
            "xp.cfg": self.cfg,
            "xp.sig": self.signature,
            "best_state": {"model": self.best},
            "fsdp_best_state": {},
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "lr_scheduler": self.schedule.state_dict(),
            "ema": self.average and self.average.state_dict(),
        }

    def restore(self) -> None:
        """Go on from ``checkpoint.th``, where there is one.

        It alone counts: a kill may have kept the history file one epoch behind.
        """
        path = self.folder / checkpoint.LAST
        if not path.exists():
            return
        state = checkpoint.load(path)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["lr_scheduler"])
        if self.average is not None:
            self.average.load_state_dict(state["ema"])
        self.best = state["best_state"]["model"]
        self.history = state["history"]
        self.commit(self.history)
        logger.info("resuming after epoch %d", len(self.history))


def mean(seen: Sequence[Metrics]) -> Metrics:
    """Average the metrics of batches, name by name."""
    return {name: sum(metrics[name] for metrics in seen) / len(seen) for name in seen[0]}

"""The training loop, in the order of AudioCraft's: train, validate the average, keep the best."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.func import functional_call

from stages.miniature import checkpoint
from stages.miniature.averages import CosineSchedule, MovingAverage
from stages.miniature.conditioning import forget_words
from stages.miniature.delay import cross_entropies, delayed
from stages.miniature.limits import demand_known
from stages.miniature.model import LanguageModel, Shape
from stages.miniature.seeds import generator
from stages.miniature.sequences import Batch, SyntheticMusic

logger = logging.getLogger(__name__)

Metrics = dict[str, float]
History = list[dict[str, Metrics]]


class Solver:
    """Trains one experiment in its folder, from wherever an earlier run left off.

    Attributes:
        history: one entry per finished epoch: ``{"train": metrics, "valid": metrics}``. Holds no
            durations, so that two runs of one experiment agree.
        best: the weights of the epoch with the lowest ``ce`` on the validation split.
    """

    def __init__(
        self, cfg: DictConfig, folder: Path, signature: str, commit: Callable[[History], None]
    ) -> None:
        """Prepare the model and its optimizer; ``commit`` is given the history of every epoch."""
        demand_known(cfg)
        torch.set_num_threads(cfg.num_threads)
        self.cfg, self.folder, self.signature, self.commit = cfg, folder, signature, commit
        self.delays: Sequence[int] = list(cfg.codebooks_pattern.delay.delays)
        self.music = SyntheticMusic.of(cfg)
        self.model = LanguageModel(Shape.of(cfg), cfg.seed)
        self.average = MovingAverage(self.model, cfg.optim.ema.decay)
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
        self.best = self.average.copy()

    def run(self) -> None:
        """Train the epochs that are still missing."""
        self.restore()
        total = self.cfg.optim.epochs
        for epoch in range(len(self.history) + 1, total + 1):
            metrics = {"train": self.train(epoch), "valid": self.validate()}
            ce = metrics["valid"]["ce"]
            if all(ce < earlier["valid"]["ce"] for earlier in self.history):
                self.best = self.average.copy()
            self.history.append(metrics)
            every = self.cfg.checkpoint.save_every
            checkpoint.save(self.state(), self.folder, epoch, bool(every) and epoch % every == 0)
            self.commit(self.history)
            logger.info("epoch %d of %d: valid ce %.4f", epoch, total, ce)

    def train(self, epoch: int) -> Metrics:
        """Update the weights for one epoch."""
        optim, drop = self.cfg.optim, self.cfg.classifier_free_guidance.training_dropout
        forget = self.cfg.conditioners.description.t5.word_dropout
        chance = generator(self.cfg.seed, "dropout", epoch)
        seen: list[Metrics] = []
        batches = self.music.batches(
            "train", epoch, optim.updates_per_epoch, self.cfg.dataset.batch_size
        )
        for update, batch in enumerate(batches, 1):
            texts = forget_words(batch.descriptions, forget, drop, chance)
            entropies = self._entropies(batch, texts, dict(self.model.named_parameters()))
            self.optimizer.zero_grad()
            entropies.mean().backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), optim.max_norm)
            rate = float(self.optimizer.param_groups[0]["lr"])
            self.optimizer.step()
            self.schedule.step()
            if update % optim.ema.updates == 0:
                self.average.step(self.model)
            seen.append({"lr": rate, "grad_norm": norm.item(), **_metrics(entropies)})
        return _mean(seen)

    @torch.no_grad()
    def validate(self) -> Metrics:
        """Judge the averaged weights, on the same sequences after every epoch."""
        size = self.cfg.dataset.batch_size
        count = max(1, self.cfg.dataset.valid.num_samples // size)
        return _mean(
            [
                _metrics(self._entropies(batch, batch.descriptions, self.average.weights))
                for batch in self.music.batches("valid", 0, count, size)
            ]
        )

    def _entropies(self, batch: Batch, texts: Sequence[str], weights: dict[str, Tensor]) -> Tensor:
        sequence = delayed(batch.codes, self.delays, self.model.special)
        logits: Tensor = functional_call(self.model, weights, (sequence, texts))
        return cross_entropies(logits, batch.codes, self.delays)

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
            "ema": self.average.state_dict(),
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
        self.average.load_state_dict(state["ema"])
        self.best = state["best_state"]["model"]
        self.history = state["history"]
        self.commit(self.history)
        logger.info("resuming after epoch %d", len(self.history))


def _metrics(entropies: Tensor) -> Metrics:
    """Name the measures of one batch: cross entropy in nats and perplexity, also per codebook."""
    total = entropies.mean()
    metrics = {"ce": total.item(), "ppl": total.exp().item()}
    for number, entropy in enumerate(entropies, 1):
        metrics |= {f"ce_q{number}": entropy.item(), f"ppl_q{number}": entropy.exp().item()}
    return metrics


def _mean(seen: Sequence[Metrics]) -> Metrics:
    return {name: sum(metrics[name] for metrics in seen) / len(seen) for name in seen[0]}

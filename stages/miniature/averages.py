"""What follows the weights while they are trained: their moving average and the learning rate."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class MovingAverage:
    """Exponential moving average of a model's weights, unbiased as in ``audiocraft.optim.ema``.

    Attributes:
        weights: float32 tensors by parameter name.
        count: sum of the weights given so far, which makes early averages exact.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        """Start from the model as it is."""
        self.decay, self.count = decay, 0.0
        self.weights = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def step(self, model: nn.Module) -> None:
        """Take the model's weights of now into the average."""
        self.count = self.count * self.decay + 1
        share = 1 / self.count
        for name, parameter in model.named_parameters():
            self.weights[name].mul_(1 - share).add_(parameter, alpha=share)

    def copy(self) -> dict[str, Tensor]:
        """Give the averaged weights as they are now."""
        return {name: weight.clone() for name, weight in self.weights.items()}

    def state_dict(self) -> dict[str, Any]:
        """Give what AudioCraft stores under ``ema``."""
        return {"state": defaultdict(dict, {"model": self.weights}), "count": self.count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a stored average."""
        self.count = state["count"]
        for name, weight in self.weights.items():
            weight.copy_(state["state"]["model"][name])


class CosineSchedule(LRScheduler):
    """A learning rate that warms up in a line and falls as a cosine, a step per update.

    The attributes bear the names that AudioCraft's scheduler stores under ``lr_scheduler``.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_steps: int,
        warmup_steps: int,
        lr_min_ratio: float,
        cycle_length: float,
    ) -> None:
        """Plan ``total_steps`` updates, ``warmup_steps`` of them rising."""
        self.warmup_steps, self.total_steps = warmup_steps, total_steps
        self.lr_min_ratio, self.cycle_length = lr_min_ratio, cycle_length
        super().__init__(optimizer)

    def get_lr(self) -> list[float | Tensor]:
        """Give the learning rate of each parameter group for the next update."""
        return [lr * self._ratio(self.last_epoch) for lr in self.base_lrs]

    def _ratio(self, step: int) -> float:
        if step < self.warmup_steps:
            return step / self.warmup_steps
        if step > self.total_steps:
            return self.lr_min_ratio
        done = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
        fall = 0.5 * (1 + math.cos(math.pi * done / self.cycle_length))
        return self.lr_min_ratio + (1 - self.lr_min_ratio) * fall

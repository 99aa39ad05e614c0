"""Trains the codec: audio in, the same audio out."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.miniature.codec import Codec
from stages.miniature.losses import SpectralLoss
from stages.miniature.melodies import Melodies
from stages.miniature.quantizer import Habits
from stages.miniature.seeds import generator
from stages.miniature.solver import Metrics, Solver, mean


class CompressionSolver(Solver):
    """Trains an EnCodec without an adversary."""

    measure = "l2"
    model: Codec

    def build(self) -> nn.Module:
        """Build the codec."""
        codec = Codec.of(self.cfg)
        self.melodies = Melodies.of(self.cfg, codec.hop)
        self.habits, self.spectral = Habits.of(self.cfg), SpectralLoss.of(self.cfg)
        return codec

    def train(self, epoch: int) -> Metrics:
        """Update the weights, and let the codebooks follow, for one epoch."""
        weights, chance = self.cfg.losses, generator(self.cfg.seed, "codebooks", epoch)
        updates, size = self.cfg.optim.updates_per_epoch, self.cfg.dataset.batch_size
        seen: list[Metrics] = []
        alone = self.cfg.synthetic.unquantized - (epoch - 1) * updates
        for update, batch in enumerate(self.melodies.batches("train", epoch, updates, size)):
            if update < alone:
                audio, penalty = self.model.copy(batch.audio), torch.zeros(())
            else:
                audio, penalty = self.model.learn(batch.audio, self.habits, chance)
            losses = self._losses(audio, batch.audio)
            weighted = (weights[name] * loss for name, loss in losses.items())
            step = self.step(sum(weighted, penalty))
            metrics = {name: loss.item() for name, loss in losses.items()}
            seen.append({**step, **metrics, "penalty": penalty.item()})
        return mean(seen)

    @torch.no_grad()
    def validate(self) -> Metrics:
        """Judge what comes back from codes, on the same melodies after every epoch."""
        size = self.cfg.dataset.batch_size
        count = max(1, self.cfg.dataset.valid.num_samples // size)
        seen: list[Metrics] = []
        for batch in self.melodies.batches("valid", 0, count, size):
            audio = self.model.decode(self.model.encode(batch.audio))
            losses = self._losses(audio, batch.audio)
            seen.append({name: loss.item() for name, loss in losses.items()})
        return mean(seen)

    def judged(self) -> dict[str, Tensor]:
        """Give a copy of weights and codebooks."""
        return {name: tensor.clone() for name, tensor in self.model.state_dict().items()}

    def is_best(self, valid: Metrics) -> bool:
        """Take the last for the best, as AudioCraft does with codecs."""
        return True

    def state(self) -> dict[str, Any]:
        """Give what a codec's checkpoint holds: also its adversaries, of which there are none."""
        return {**super().state(), "adv_losses": OrderedDict()}

    def _losses(self, audio: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"l2": functional.mse_loss(audio, target), "mrstft": self.spectral(audio, target)}

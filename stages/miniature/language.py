"""Trains the language model on the codes that a trained codec gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call

from stages.miniature import checkpoint
from stages.miniature.averages import MovingAverage
from stages.miniature.codec import Codec
from stages.miniature.conditioning import forget_words
from stages.miniature.delay import cross_entropies, delayed
from stages.miniature.melodies import Melodies
from stages.miniature.model import LanguageModel, Shape
from stages.miniature.seeds import generator
from stages.miniature.solver import Metrics, Solver, mean

SIGNATURE = "//sig/"
"""How AudioCraft marks an experiment in ``compression_model_checkpoint``."""


@dataclass(frozen=True)
class Coded:
    """Melodies as the language model sees them.

    Attributes:
        codes: int64 tokens [melodies, codebooks, frames].
        descriptions: one text per melody.
    """

    codes: Tensor
    descriptions: Sequence[str]

    def take(self, chosen: Sequence[int]) -> Coded:
        """Give some of them."""
        return Coded(self.codes[chosen], [self.descriptions[each] for each in chosen])


class LanguageSolver(Solver):
    """Trains a text-conditioned MusicGen; judged are its averaged weights."""

    measure = "ce"
    model: LanguageModel
    average: MovingAverage

    def build(self) -> nn.Module:
        """Build the language model, and load the codec that it is trained on."""
        lm = self.cfg.transformer_lm
        self.delays: Sequence[int] = list(self.cfg.codebooks_pattern.delay.delays)
        self.codec = Codec.load(self._codec())
        spoken = (len(self.codec.quantizer.codebooks), self.codec.quantizer.bins)
        if spoken != (lm.n_q, lm.card):
            raise ValueError(
                f"transformer_lm.n_q={lm.n_q} and card={lm.card}, but the codec has "
                f"{spoken[0]} codebooks of {spoken[1]}"
            )
        self.melodies = Melodies.of(self.cfg, self.codec.hop)
        self.splits: dict[str, Coded] = {}
        return LanguageModel(Shape.of(self.cfg), self.cfg.seed)

    def _codec(self) -> Path:
        """Find the codec's checkpoint: an experiment beside this one."""
        named = str(self.cfg.compression_model_checkpoint)
        if not named.startswith(SIGNATURE):
            raise ValueError(f"compression_model_checkpoint={named}, not {SIGNATURE}SIG of a codec")
        return self.folder.parent / named.removeprefix(SIGNATURE) / checkpoint.LAST

    def train(self, epoch: int) -> Metrics:
        """Update the weights for one epoch."""
        optim, drop = self.cfg.optim, self.cfg.classifier_free_guidance.training_dropout
        forget = self.cfg.conditioners.description.t5.word_dropout
        chance = generator(self.cfg.seed, "dropout", epoch)
        order = generator(self.cfg.seed, "order", epoch)
        melodies, size = self._coded("train"), self.cfg.dataset.batch_size
        seen: list[Metrics] = []
        for update in range(1, optim.updates_per_epoch + 1):
            drawn = torch.randint(len(melodies.codes), (size,), generator=order)
            batch = melodies.take(drawn.tolist())
            texts = forget_words(batch.descriptions, forget, drop, chance)
            entropies = self._entropies(batch.codes, texts, dict(self.model.named_parameters()))
            step = self.step(entropies.mean())
            if update % optim.ema.updates == 0:
                self.average.step(self.model)
            seen.append({**step, **_metrics(entropies)})
        return mean(seen)

    @torch.no_grad()
    def validate(self) -> Metrics:
        """Judge the averaged weights, on the same melodies after every epoch."""
        batch = self._coded("valid")
        return _metrics(self._entropies(batch.codes, batch.descriptions, self.average.weights))

    def judged(self) -> dict[str, Tensor]:
        """Give a copy of the averaged weights."""
        return self.average.copy()

    def is_best(self, valid: Metrics) -> bool:
        """Tell whether the cross entropy is the lowest so far."""
        return all(valid["ce"] < earlier["valid"]["ce"] for earlier in self.history)

    def _coded(self, split: str) -> Coded:
        """Code the melodies of a split, once: the codec costs more than the language model."""
        if split not in self.splits:
            count = self.cfg.dataset[split].num_samples
            (batch,) = self.melodies.batches(split, 0, 1, count)
            codes = [self.codec.encode(audio) for audio in batch.audio[:, None]]
            self.splits[split] = Coded(torch.cat(codes), batch.descriptions)
        return self.splits[split]

    def _entropies(self, codes: Tensor, texts: Sequence[str], weights: dict[str, Tensor]) -> Tensor:
        sequence = delayed(codes, self.delays, self.model.special)
        logits: Tensor = functional_call(self.model, weights, (sequence, texts))
        return cross_entropies(logits, codes, self.delays)


def _metrics(entropies: Tensor) -> Metrics:
    """Name the measures of one batch: cross entropy in nats and perplexity, also per codebook."""
    total = entropies.mean()
    metrics = {"ce": total.item(), "ppl": total.exp().item()}
    for number, entropy in enumerate(entropies, 1):
        metrics |= {f"ce_q{number}": entropy.item(), f"ppl_q{number}": entropy.exp().item()}
    return metrics

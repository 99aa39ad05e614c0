"""What the miniature learns from: token sequences that follow their description.

A description is a mood, a tempo and an instrument. The instrument says which tokens are used, the
tempo how far each step moves through them, the mood how the deeper codebooks follow the first. The
rest is noise, so that there is something to learn and a limit to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from omegaconf import DictConfig
from torch import Tensor

from stages.miniature.seeds import generator

MOODS = ("calm", "bright", "dark", "dreamy")
TEMPOS = ("slow", "steady", "fast", "frantic")
INSTRUMENTS = ("piano", "guitar", "strings", "drums", "flute", "organ", "bass", "bells")


@dataclass(frozen=True)
class Batch:
    """Sequences with their descriptions.

    Attributes:
        codes: int64 tokens [batch, codebooks, steps].
        descriptions: one text per sequence.
    """

    codes: Tensor
    descriptions: Sequence[str]


@dataclass(frozen=True)
class SyntheticMusic:
    """A source of batches.

    Attributes:
        seed: of everything that is drawn.
        codebooks: streams of tokens in parallel.
        cardinality: tokens of one codebook.
        steps: tokens of one stream.
        palette: tokens that one instrument uses.
        noise: share of the tokens that follow no rule.
    """

    seed: int
    codebooks: int
    cardinality: int
    steps: int
    palette: int
    noise: float

    @classmethod
    def of(cls, cfg: DictConfig) -> SyntheticMusic:
        """Build what the run's config describes."""
        lm, synthetic = cfg.transformer_lm, cfg.synthetic
        return cls(cfg.seed, lm.n_q, lm.card, synthetic.steps, synthetic.palette, synthetic.noise)

    def batches(self, split: str, epoch: int, count: int, size: int) -> Iterator[Batch]:
        """Draw ``count`` batches of ``size``: new ones for each epoch of a split."""
        draws = generator(self.seed, split, epoch)
        for _ in range(count):
            yield self._draw(size, draws)

    def _draw(self, size: int, draws: torch.Generator) -> Batch:
        def choose(below: int, *shape: int) -> Tensor:
            return torch.randint(below, (size, *shape), generator=draws)

        mood, tempo, instrument = (choose(len(w)) for w in (MOODS, TEMPOS, INSTRUMENTS))
        start = choose(self.palette)
        step = torch.arange(self.steps)
        depth = torch.arange(self.codebooks)
        place = start[:, None] + (tempo[:, None] + 1) * step
        place = place[:, None] + (mood[:, None] + 1)[:, None] * depth[:, None]
        astray = torch.rand(place.shape, generator=draws) < self.noise
        place = torch.where(astray, choose(self.palette, *place.shape[1:]), place % self.palette)
        codes = (place + (instrument * self.palette)[:, None, None]) % self.cardinality
        words = zip(mood.tolist(), tempo.tolist(), instrument.tolist(), strict=True)
        return Batch(codes, [f"{MOODS[m]} {TEMPOS[t]} {INSTRUMENTS[i]}" for m, t, i in words])

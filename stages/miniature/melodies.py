"""What the miniature learns from: melodies that follow their description, made of pure tones.

A description is a mood, a tempo and an instrument. The instrument says which overtones a note has
and how it fades, the tempo how long it lasts, the mood by how many degrees of a scale the next one
is away. The rest is chance, so that there is something to learn and a limit to it.

Notes begin where a frame of the codec begins, and every pitch is a multiple of the frame rate: all
frames of a note hold the same wave, only softer, which is what lets a codec and a language model
this small learn it in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from omegaconf import DictConfig
from torch import Tensor

from stages.miniature.seeds import generator

SCALE = (300, 375, 450, 500, 600, 675, 750, 900, 1000, 1200)
"""Hz: a pentatonic scale in just intonation, two octaves."""
MOODS = {"calm": (1, -1), "bright": (1, 2), "dark": (-1, -2), "dreamy": (3, -2)}
"""The steps between two notes, in degrees of the scale; past its end it begins again."""
TEMPOS = {"slow": 16, "steady": 12, "fast": 8, "frantic": 5}
"""Frames that a note lasts."""
LOUDNESS = 0.5
RISE, FALL = 0.005, 0.01
"""Seconds in which a note begins and ends."""


@dataclass(frozen=True)
class Instrument:
    """A timbre.

    Attributes:
        overtones: amplitude of each multiple of the pitch, the first one included.
        fading: seconds in which a note fades to a third.
    """

    overtones: Sequence[float]
    fading: float


INSTRUMENTS = {
    "flute": Instrument((1,), math.inf),
    "organ": Instrument((1, 0.5), math.inf),
    "guitar": Instrument((1, 0.5, 0.3), 0.5),
    "bells": Instrument((1, 0, 0.4), 1.0),
}


@dataclass(frozen=True)
class Batch:
    """Melodies with their descriptions.

    Attributes:
        audio: float32 [batch, 1, samples], within -1 and 1.
        descriptions: one text per melody.
    """

    audio: Tensor
    descriptions: Sequence[str]


@dataclass(frozen=True)
class Melodies:
    """A source of batches.

    Attributes:
        seed: of everything that is drawn.
        sample_rate: of the audio, in Hz.
        hop: samples of a frame.
        frames: of each melody.
        noise: share of the notes that follow no rule.
    """

    seed: int
    sample_rate: int
    hop: int
    frames: int
    noise: float

    @classmethod
    def of(cls, cfg: DictConfig, hop: int) -> Melodies:
        """Build what the run's config describes, for a codec with ``hop`` samples per frame."""
        frames = round(cfg.dataset.segment_duration * cfg.sample_rate) // hop
        return cls(cfg.seed, cfg.sample_rate, hop, frames, cfg.synthetic.noise)

    def batches(self, split: str, epoch: int, count: int, size: int) -> Iterator[Batch]:
        """Draw ``count`` batches of ``size``: new ones for each epoch of a split."""
        draws = generator(self.seed, split, epoch)
        for _ in range(count):
            yield self._draw(size, draws)

    def _draw(self, size: int, draws: torch.Generator) -> Batch:
        def choose(below: int, *shape: int) -> Tensor:
            return torch.randint(below, (size, *shape), generator=draws)

        words = [
            [list(names)[chosen] for chosen in choose(len(names)).tolist()]
            for names in (MOODS, TEMPOS, INSTRUMENTS)
        ]
        notes = -(-self.frames // min(TEMPOS.values()))
        steps = torch.tensor([MOODS[mood] for mood in words[0]])
        steps = steps.gather(1, choose(steps.shape[1], notes))
        astray = torch.rand(steps.shape, generator=draws) < self.noise
        steps = torch.where(astray, choose(len(SCALE), notes), steps)
        degrees = (choose(len(SCALE), 1) + steps.cumsum(1)) % len(SCALE)
        told = list(zip(*words, strict=True))
        played = [
            self.sound(tune, TEMPOS[tempo], INSTRUMENTS[instrument])
            for tune, (_, tempo, instrument) in zip(degrees, told, strict=True)
        ]
        return Batch(torch.stack(played)[:, None], [" ".join(each) for each in told])

    def sound(self, degrees: Tensor, length: int, instrument: Instrument) -> Tensor:
        """Play notes.

        Args:
            degrees: int64 [notes], of the scale.
            length: frames of each.
            instrument: what plays them.

        Returns:
            float32 [samples], as long as all melodies are.
        """
        samples = length * self.hop
        time = torch.arange(samples) / self.sample_rate
        envelope = (-time / instrument.fading).exp()
        envelope *= (time / RISE).clamp(max=1) * ((time[-1] - time) / FALL).clamp(max=1)
        waves = self._waves(instrument)[degrees].repeat(1, length)
        return (waves * envelope).flatten()[: self.frames * self.hop]

    def _waves(self, instrument: Instrument) -> Tensor:
        """Give a frame of each degree of the scale: float32 [degrees, hop]."""
        time = torch.arange(self.hop) / self.sample_rate
        phase = 2 * math.pi * torch.tensor(SCALE)[:, None] * time
        waves = torch.zeros_like(phase)
        for number, amplitude in enumerate(instrument.overtones, 1):
            waves += amplitude * (number * phase).sin()
        return LOUDNESS / sum(instrument.overtones) * waves

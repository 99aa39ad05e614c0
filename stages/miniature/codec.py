"""A small EnCodec: audio to codes and back, with AudioCraft's names and arithmetic.

A checkpoint of this model loads in AudioCraft, and in transformers under other names, and gives the
same codes. The source is ``audiocraft.models.encodec``.
"""

from __future__ import annotations

from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from stages.miniature import checkpoint, seanet
from stages.miniature.quantizer import Habits, Quantizer


class Codec(nn.Module):
    """An autoencoder of mono audio with residual codebooks in its middle.

    Attributes:
        hop: samples of audio per frame.
    """

    def __init__(self, shape: seanet.Shape, codebooks: int, bins: int, seed: int) -> None:
        """Build with the weights to start training from, drawn by ``seed``."""
        super().__init__()
        self.hop = shape.hop
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = seanet.encoder(shape)
            self.decoder = seanet.decoder(shape)
        self.quantizer = Quantizer(codebooks, bins, shape.dimension)

    @classmethod
    def of(cls, cfg: DictConfig) -> Codec:
        """Build what a run's config describes."""
        return cls(seanet.Shape.of(cfg), cfg.rvq.n_q, cfg.rvq.bins, cfg.seed)

    @classmethod
    def load(cls, path: Path) -> Codec:
        """Build a trained one from its checkpoint."""
        state = checkpoint.load(path)
        codec = cls.of(state["xp.cfg"])
        codec.load_state_dict(state["best_state"]["model"])
        return codec.requires_grad_(False)

    def encode(self, audio: Tensor) -> Tensor:
        """Code audio [batch, 1, samples]: int64 [batch, codebooks, samples / hop, rounded up]."""
        return self.quantizer.encode(self.encoder(audio))

    def decode(self, codes: Tensor) -> Tensor:
        """Sound codes [batch, codebooks, frames]: float32 audio [batch, 1, frames * hop]."""
        audio: Tensor = self.decoder(self.quantizer.decode(codes))
        return audio

    def learn(self, audio: Tensor, habits: Habits, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pass a batch [batch, 1, samples] through, letting the codebooks learn from it.

        Returns:
            The audio that comes out, of the same length, and the quantizer's penalty.
        """
        frames, penalty = self.quantizer.learn(self.encoder(audio), habits, draws)
        return self.decoder(frames)[..., : audio.shape[-1]], penalty

    def copy(self, audio: Tensor) -> Tensor:
        """Pass a batch through as if there were no codebooks."""
        copied: Tensor = self.decoder(self.encoder(audio))[..., : audio.shape[-1]]
        return copied

"""Residual codebooks, learnt by averaging: each codes what the ones before it left over.

Names, buffers and arithmetic are those of ``audiocraft.quantization.core_vq``: the codebooks start
as the centres that k-means finds in the first batch, and follow the vectors that choose them as an
exponential moving average. Chance comes from a generator that is given. One thing differs, and only
in training: AudioCraft starts the average of a centre as if one vector had chosen it, here it is as
many as did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-5
"""Added to every count, so that an entry that nobody chooses stays finite."""


@dataclass(frozen=True)
class Habits:
    """How codebooks learn.

    Attributes:
        decay: share of the average that an update keeps.
        kmeans_iters: rounds of k-means at the beginning.
    """

    decay: float
    kmeans_iters: int

    @classmethod
    def of(cls, cfg: DictConfig) -> Habits:
        """Read them from the config of a codec's run."""
        return cls(cfg.rvq.decay, cfg.rvq.kmeans_iters)


class Codebook(nn.Module):
    """One codebook; all that it learns is in buffers, and no gradient reaches them."""

    inited: Tensor
    cluster_size: Tensor
    embed: Tensor
    embed_avg: Tensor

    def __init__(self, bins: int, dimension: int) -> None:
        """Make an empty codebook of ``bins`` entries.

        ``inited`` tells whether k-means was run, ``embed_avg / cluster_size`` is the average.
        """
        super().__init__()
        self.register_buffer("inited", torch.zeros(1))
        self.register_buffer("cluster_size", torch.zeros(bins))
        self.register_buffer("embed", torch.zeros(bins, dimension))
        self.register_buffer("embed_avg", torch.zeros(bins, dimension))

    def encode(self, x: Tensor) -> Tensor:
        """Give the nearest entry of each vector [..., dimension]: int64 [...]."""
        return nearest(x.flatten(0, -2), self.embed).view(x.shape[:-1])

    def decode(self, codes: Tensor) -> Tensor:
        """Look entries [...] up: float32 [..., dimension]."""
        return functional.embedding(codes, self.embed)

    @torch.no_grad()
    def learn(self, x: Tensor, codes: Tensor, decay: float) -> None:
        """Move towards the vectors ``x`` [vectors, dimension] that chose ``codes`` [vectors]."""
        bins = len(self.embed)
        chosen = functional.one_hot(codes, bins).to(x.dtype)
        self.cluster_size.lerp_(chosen.sum(0), 1 - decay)
        self.embed_avg.lerp_(chosen.t() @ x, 1 - decay)
        total = self.cluster_size.sum()
        smooth = (self.cluster_size + EPSILON) / (total + bins * EPSILON) * total
        self.embed.copy_(self.embed_avg / smooth[:, None])

    @torch.no_grad()
    def begin(self, x: Tensor, habits: Habits, draws: torch.Generator) -> None:
        """Start from the centres of the vectors ``x`` [vectors, dimension], once."""
        if self.inited:
            return
        centres, sizes = kmeans(x, len(self.embed), habits.kmeans_iters, draws)
        self.embed.copy_(centres)
        self.embed_avg.copy_(centres * sizes[:, None])
        self.cluster_size.copy_(sizes)
        self.inited.fill_(1)


class Layer(nn.Module):
    """A codebook under AudioCraft's name."""

    def __init__(self, bins: int, dimension: int) -> None:
        """Make the codebook."""
        super().__init__()
        self._codebook = Codebook(bins, dimension)


class Quantizer(nn.Module):
    """Codebooks in a row."""

    def __init__(self, count: int, bins: int, dimension: int) -> None:
        """Make ``count`` codebooks of ``bins`` entries."""
        super().__init__()
        self.bins = bins
        layers = nn.ModuleList(Layer(bins, dimension) for _ in range(count))
        self.vq = nn.ModuleDict({"layers": layers})

    @property
    def codebooks(self) -> list[Codebook]:
        """The codebooks, from the coarsest to the finest."""
        return [cast(Layer, layer)._codebook for layer in cast(nn.ModuleList, self.vq["layers"])]

    def encode(self, frames: Tensor) -> Tensor:
        """Code frames [batch, dimension, steps]: int64 [batch, codebooks, steps]."""
        residual, codes = frames.transpose(1, 2), []
        for codebook in self.codebooks:
            codes.append(codebook.encode(residual))
            residual = residual - codebook.decode(codes[-1])
        return torch.stack(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        """Sum the entries of codes [batch, codebooks, steps]: frames [batch, dimension, steps]."""
        total = torch.zeros(())
        for codebook, stream in zip(self.codebooks, codes.unbind(1), strict=True):
            total = total + codebook.decode(stream)
        return total.transpose(1, 2)

    def learn(
        self, frames: Tensor, habits: Habits, draws: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Code a batch and move the codebooks towards it.

        Args:
            frames: float32 [batch, dimension, steps].
            habits: how to learn.
            draws: where chance comes from.

        Returns:
            The frames as the decoder will see them, with the gradient of the frames themselves;
            and the penalty, the mean squared distance that the encoder is to make smaller.
        """
        residual, penalties = frames.transpose(1, 2), []
        for codebook in self.codebooks:
            x = residual.detach().flatten(0, 1)
            codebook.begin(x, habits, draws)
            codes = codebook.encode(residual)
            entries = codebook.decode(codes)  # before they move
            codebook.learn(x, codes.flatten(), habits.decay)
            penalties.append(functional.mse_loss(residual, entries))
            residual = residual - entries
        quantized = frames - residual.detach().transpose(1, 2)
        return quantized, torch.stack(penalties).mean()


def nearest(x: Tensor, entries: Tensor) -> Tensor:
    """Give the index of the entry [bins, dimension] nearest to each vector [vectors, dimension]."""
    away = x.pow(2).sum(1, keepdim=True) - 2 * x @ entries.t() + entries.t().pow(2).sum(0)
    return (-away).max(dim=-1).indices


def sample(x: Tensor, count: int, draws: torch.Generator) -> Tensor:
    """Draw ``count`` of the vectors, each at most once where there are enough."""
    if len(x) >= count:
        return x[torch.randperm(len(x), generator=draws)[:count]]
    return x[torch.randint(len(x), (count,), generator=draws)]


def kmeans(x: Tensor, count: int, rounds: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Find ``count`` centres of vectors [vectors, dimension], and how many are nearest to each."""
    centres = sample(x, count, draws)
    for _ in range(rounds):
        buckets = nearest(x, centres)
        sizes = torch.bincount(buckets, minlength=count)
        sums = torch.zeros_like(centres).index_add_(0, buckets, x)
        means = sums / sizes.clamp(min=1)[:, None]
        centres = torch.where(sizes[:, None] == 0, centres, means)
    return centres, sizes.to(x.dtype)

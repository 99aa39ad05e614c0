"""A MusicGen language model: AudioCraft's names and arithmetic, in what the miniature needs of it.

A checkpoint of this model loads in AudioCraft and gives the same logits (within float32 rounding).
The sources are ``audiocraft.models.lm`` and ``audiocraft.modules.transformer``; what they can do
beyond this is refused (`stages.miniature.limits`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn import functional

from stages.miniature.conditioning import WIDTHS, ConditionProvider


@dataclass(frozen=True)
class Shape:
    """How large a model is.

    Attributes:
        codebooks: streams of tokens in parallel.
        cardinality: tokens of one codebook, the special token not counted.
        dim: floats per position.
        heads: of each attention.
        layers: of the transformer.
        hidden: floats between the two linear maps of a layer.
        text_width: floats per word of a description.
    """

    codebooks: int
    cardinality: int
    dim: int
    heads: int
    layers: int
    hidden: int
    text_width: int

    @classmethod
    def of(cls, cfg: DictConfig) -> Shape:
        """Read the shape from a run's config."""
        lm = cfg.transformer_lm
        hidden, text = int(lm.hidden_scale * lm.dim), WIDTHS[cfg.conditioners.description.t5.name]
        return cls(lm.n_q, lm.card, lm.dim, lm.num_heads, lm.num_layers, hidden, text)


class Attention(nn.Module):
    """Multi-head attention, spelled as AudioCraft does with ``custom: true``."""

    def __init__(self, dim: int, heads: int, causal: bool) -> None:
        """Share ``dim`` between ``heads``; ``causal`` hides what comes later."""
        super().__init__()
        self.heads, self.causal = heads, causal
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.out_proj = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        """Let ``x`` [batch, steps, dim] look at ``source`` [batch, length, dim]."""
        query, key, value = (
            functional.linear(side, weight).view(*side.shape[:2], self.heads, -1).transpose(1, 2)
            for side, weight in zip((x, source, source), self.in_proj_weight.chunk(3), strict=True)
        )
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        out: Tensor = self.out_proj(seen.transpose(1, 2).flatten(2))
        return out


class Layer(nn.Module):
    """One layer: self-attention, cross-attention, two linear maps; each behind its norm."""

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        """Use ``hidden`` floats between the two linear maps."""
        super().__init__()
        self.self_attn = Attention(dim, heads, causal=True)
        self.linear1 = nn.Linear(dim, hidden, bias=False)
        self.linear2 = nn.Linear(hidden, dim, bias=False)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.cross_attention = Attention(dim, heads, causal=False)
        self.norm_cross = nn.LayerNorm(dim)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Refine ``x`` [batch, steps, dim], looking at ``condition`` [batch, words, dim]."""
        normed = self.norm1(x)
        x = x + self.self_attn(normed, normed)
        x = x + self.cross_attention(self.norm_cross(x), condition)
        out: Tensor = x + self.linear2(functional.gelu(self.linear1(self.norm2(x))))
        return out


class Transformer(nn.Module):
    """The stack of layers, told the positions once at its foot."""

    def __init__(self, dim: int, heads: int, layers: int, hidden: int) -> None:
        """Stack ``layers`` layers."""
        super().__init__()
        self.layers = nn.ModuleList(Layer(dim, heads, hidden) for _ in range(layers))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Refine ``x`` [batch, steps, dim]."""
        x = x + positions(x.shape[1], x.shape[2])
        for layer in self.layers:
            x = layer(x, condition)
        return x


def positions(steps: int, dim: int) -> Tensor:
    """Give AudioCraft's sinusoidal embedding: float32 [steps, dim], first cosines, then sines."""
    half = dim // 2
    exponents = torch.arange(half, dtype=torch.float32) / (half - 1)
    phase = torch.arange(steps, dtype=torch.float32)[:, None] / torch.tensor(1e4) ** exponents
    return torch.cat([phase.cos(), phase.sin()], dim=-1)


class LanguageModel(nn.Module):
    """Predicts the next token of every codebook."""

    def __init__(self, shape: Shape, seed: int) -> None:
        """Build with the weights to start training from, drawn by ``seed``."""
        super().__init__()
        books = range(shape.codebooks)
        self.special = shape.cardinality
        self.condition_provider = ConditionProvider(shape.text_width, shape.dim)
        self.emb = nn.ModuleList(nn.Embedding(shape.cardinality + 1, shape.dim) for _ in books)
        self.transformer = Transformer(shape.dim, shape.heads, shape.layers, shape.hidden)
        self.out_norm = nn.LayerNorm(shape.dim)
        self.linears = nn.ModuleList(
            nn.Linear(shape.dim, shape.cardinality, bias=False) for _ in books
        )
        self._initialize(torch.Generator().manual_seed(seed))

    def forward(self, sequence: Tensor, descriptions: Sequence[str]) -> Tensor:
        """Score every token at every position.

        Args:
            sequence: int64 tokens [batch, codebooks, steps], already in the delay pattern.
            descriptions: one text per sequence.

        Returns:
            float32 logits [batch, codebooks, steps, cardinality].
        """
        x = torch.stack([emb(sequence[:, k]) for k, emb in enumerate(self.emb)]).sum(0)
        x = self.out_norm(self.transformer(x, self.condition_provider(descriptions)))
        return torch.stack([linear(x) for linear in self.linears], dim=1)

    def _initialize(self, draws: torch.Generator) -> None:
        """Draw Gaussian weights, narrower in deeper layers.

        Embeddings are wider than AudioCraft's: beside the positions, which are added to them, those
        are so small that the first hundred updates would learn little else than to see them.
        """
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                std = 1 / math.sqrt(weight.shape[1])
                if name.startswith("emb."):
                    std = 2.0
                if name.startswith("transformer.layers."):
                    std /= math.sqrt(2 * (int(name.split(".")[2]) + 1))
                nn.init.trunc_normal_(weight, std=std, a=-3 * std, b=3 * std, generator=draws)
            elif name.endswith("output_proj.bias"):
                nn.init.zeros_(weight)

"""A MusicGen decoder as AudioCraft defines it, straight from AudioCraft's own tensors.

It knows nothing of transformers and its names, so it tells whether those were given the right
weights: queries, keys and values in the right places, the norms before the right sums. Source:
``LMModel.forward`` and ``StreamingTransformerLayer`` of AudioCraft 1.3.0, in what transformers can
express of them: pre-norm, sinusoidal positions, GELU, no biases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Read = Callable[[str], "Tensor"]
"""Gives a tensor by AudioCraft's name, as float32."""


@dataclass(frozen=True)
class Definition:
    """The decoder of one model.

    Attributes:
        read: gives its tensors.
        codebooks: streams of tokens.
        heads: of each attention.
        layers: how many to run; fewer than the model has give another, smaller model.
        custom: whether the attention is spelt without ``.mha``.
    """

    read: Read
    codebooks: int
    heads: int
    layers: int
    custom: bool

    def logits(self, codes: Tensor, condition: Tensor | None) -> Tensor:
        """Score every token.

        Args:
            codes: int64 [batch, codebooks, steps], the special token included.
            condition: float32 [batch, length, dim], behind ``output_proj``; ``None`` for a model
                without cross-attention.

        Returns:
            float32 [batch, codebooks, steps, cardinality].
        """
        import torch
        from torch.nn import functional

        books = range(self.codebooks)
        embedded = [functional.embedding(codes[:, k], self.read(f"emb.{k}.weight")) for k in books]
        x = torch.stack(embedded).sum(0)
        x = x + _positions(x)
        for index in range(self.layers):
            x = self._layer(f"transformer.layers.{index}", x, condition)
        x = self._norm("out_norm", x)
        heads = [functional.linear(x, self.read(f"linears.{k}.weight")) for k in books]
        return torch.stack(heads, 1)

    def _layer(self, at: str, x: Tensor, condition: Tensor | None) -> Tensor:
        from torch.nn import functional

        normed = self._norm(f"{at}.norm1", x)
        x = x + self._attention(f"{at}.self_attn", normed, normed, causal=True)
        if condition is not None:
            normed = self._norm(f"{at}.norm_cross", x)
            x = x + self._attention(f"{at}.cross_attention", normed, condition, causal=False)
        hidden = functional.linear(self._norm(f"{at}.norm2", x), self.read(f"{at}.linear1.weight"))
        return x + functional.linear(functional.gelu(hidden), self.read(f"{at}.linear2.weight"))

    def _attention(self, at: str, x: Tensor, source: Tensor, causal: bool) -> Tensor:
        import torch
        from torch.nn import functional

        at = at if self.custom else f"{at}.mha"
        weight = self.read(f"{at}.in_proj_weight")
        dim = weight.shape[1]
        query, key, value = (
            functional.linear(given, part).view(*given.shape[:2], self.heads, -1).transpose(1, 2)
            for given, part in (
                (x, weight[:dim]),
                (source, weight[dim : 2 * dim]),
                (source, weight[2 * dim :]),
            )
        )
        scores = query @ key.mT / (dim // self.heads) ** 0.5
        if causal:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=x.device).triu(1)
            scores = scores.masked_fill(later, -torch.inf)
        seen = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        return functional.linear(seen, self.read(f"{at}.out_proj.weight"))

    def _norm(self, at: str, x: Tensor) -> Tensor:
        from torch.nn import functional

        weight, bias = self.read(f"{at}.weight"), self.read(f"{at}.bias")
        return functional.layer_norm(x, weight.shape, weight, bias)


def _positions(x: Tensor) -> Tensor:
    """Give the sinusoids for [batch, steps, dim]: first the cosines, then the sines."""
    import torch

    steps, dim = x.shape[-2:]
    half = dim // 2
    exponents = torch.arange(half, device=x.device) / (half - 1)
    phase = torch.arange(steps, device=x.device)[:, None] / torch.tensor(1e4) ** exponents
    return torch.cat([phase.cos(), phase.sin()], -1)

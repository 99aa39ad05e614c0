"""AudioCraft's decoder, written once more with torch alone: what the right logits are.

Source: ``LMModel.forward`` and ``StreamingTransformer`` of AudioCraft 1.3.0. Queries, keys and
values are split by torch's own attention, so that nothing here shares the mapping's opinion.
"""

from __future__ import annotations

import torch
from torch.nn import functional

Tensors = dict[str, torch.Tensor]


def logits(
    weights: Tensors,
    codes: torch.Tensor,
    heads: int,
    cross: torch.Tensor | None = None,
    prepended: torch.Tensor | None = None,
) -> torch.Tensor:
    """Score every token.

    Args:
        weights: AudioCraft's tensors by name.
        codes: int64 [batch, codebooks, steps].
        heads: of each attention.
        cross: float32 [batch, length, dim], conditions for cross-attention.
        prepended: the same, put before the codes.

    Returns:
        float32 [batch, codebooks, steps, cardinality].
    """
    books = range(codes.shape[1])
    x = sum(functional.embedding(codes[:, k], weights[f"emb.{k}.weight"]) for k in books)
    before = 0 if prepended is None else prepended.shape[1]
    if prepended is not None:
        x = torch.cat([prepended, x], dim=1)
    x = x + _positions(*x.shape[1:])
    layers = {name.split(".")[2] for name in weights if name.startswith("transformer.layers.")}
    for index in range(len(layers)):
        at = f"transformer.layers.{index}"
        normed = _norm(weights, f"{at}.norm1", x)
        x = x + _attention(weights, f"{at}.self_attn", normed, normed, heads, causal=True)
        if cross is not None:
            normed = _norm(weights, f"{at}.norm_cross", x)
            x = x + _attention(weights, f"{at}.cross_attention", normed, cross, heads, False)
        hidden = _norm(weights, f"{at}.norm2", x) @ weights[f"{at}.linear1.weight"].T
        x = x + functional.gelu(hidden) @ weights[f"{at}.linear2.weight"].T
    x = _norm(weights, "out_norm", x)[:, before:]
    return torch.stack([x @ weights[f"linears.{k}.weight"].T for k in books], dim=1)


def _attention(
    weights: Tensors, at: str, x: torch.Tensor, memory: torch.Tensor, heads: int, causal: bool
) -> torch.Tensor:
    inner = f"{at}.mha" if f"{at}.mha.in_proj_weight" in weights else at
    steps, dim = x.shape[1:]
    attention = torch.nn.MultiheadAttention(dim, heads, bias=False, batch_first=True)
    attention.in_proj_weight.data = weights[f"{inner}.in_proj_weight"]
    attention.out_proj.weight.data = weights[f"{inner}.out_proj.weight"]
    mask = torch.ones(steps, steps).triu(1).bool() if causal else None
    return attention(x, memory, memory, attn_mask=mask, need_weights=False)[0]


def _norm(weights: Tensors, at: str, x: torch.Tensor) -> torch.Tensor:
    return functional.layer_norm(x, x.shape[-1:], weights[f"{at}.weight"], weights[f"{at}.bias"])


def _positions(steps: int, dim: int) -> torch.Tensor:
    half = dim // 2
    phase = torch.arange(steps)[:, None] / 10000 ** (torch.arange(half) / (half - 1))
    return torch.cat([phase.cos(), phase.sin()], dim=-1)

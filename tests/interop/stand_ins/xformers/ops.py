"""The operations of ``xformers.ops`` that AudioCraft imports, on tensors in xformers' layout."""

from __future__ import annotations

import torch
from torch.nn.functional import scaled_dot_product_attention


class LowerTriangularMask:
    """Says that nothing may look ahead."""


def unbind(x: torch.Tensor, dim: int) -> tuple[torch.Tensor, ...]:
    """Split a packed tensor along a dimension."""
    return x.unbind(dim)


def memory_efficient_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_bias: torch.Tensor | LowerTriangularMask | None = None,
    p: float = 0.0,
) -> torch.Tensor:
    """Attend; all are [batch, time, heads, width]."""
    causal = isinstance(attn_bias, LowerTriangularMask)
    heads = (tensor.transpose(1, 2) for tensor in (query, key, value))
    mask = None if causal else attn_bias
    return scaled_dot_product_attention(*heads, mask, p, causal).transpose(1, 2)

"""The delay pattern: codebook k runs k steps behind, so that it sees the codebooks above it.

Four steps ``1 2 3 4`` of three codebooks become, with S for the special token::

    S 1 2 3 4
    S S 1 2 3
    S S S 1 2

What would stand behind the last step falls off, as in AudioCraft's training
(``keep_only_valid_steps``).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

UNJUDGED = -100
"""The target of a position that predicts nothing."""


def delayed(codes: Tensor, delays: Sequence[int], special: int) -> Tensor:
    """Shift each codebook by its delay.

    Args:
        codes: int64 tokens [batch, codebooks, steps].
        delays: one per codebook.
        special: the token that fills what is left free.

    Returns:
        int64 tokens [batch, codebooks, 1 + steps].
    """
    batch, codebooks, steps = codes.shape
    sequence = codes.new_full((batch, codebooks, 1 + steps), special)
    for k, delay in enumerate(delays):
        sequence[:, k, 1 + delay :] = codes[:, k, : steps - delay]
    return sequence


def cross_entropies(logits: Tensor, codes: Tensor, delays: Sequence[int]) -> Tensor:
    """Compare what the model says about a delayed sequence with the tokens themselves.

    Args:
        logits: float [batch, codebooks, 1 + steps, cardinality]; position s speaks of s + 1.
        codes: int64 tokens [batch, codebooks, steps], not delayed.
        delays: one per codebook.

    Returns:
        Mean cross entropy of each codebook, in nats [codebooks].
    """
    batch, codebooks, steps = codes.shape
    # Whole logits and marked targets: a slice per codebook would cost a zeroed copy of them all.
    targets = codes.new_full((batch, codebooks, 1 + steps), UNJUDGED)
    for k, delay in enumerate(delays):
        targets[:, k, delay:steps] = codes[:, k, : steps - delay]
    entropies = functional.cross_entropy(
        logits.flatten(0, 2), targets.flatten(), ignore_index=UNJUDGED, reduction="none"
    )
    judged = targets.ne(UNJUDGED).sum((0, 2))
    return entropies.view_as(targets).sum((0, 2)) / judged

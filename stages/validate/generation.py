"""Decoding with the delay pattern: codebook k runs ``delays[k]`` steps behind.

The loop is written out here: transformers' own ``generate`` knows but one pattern, and what it asks
of its caller changes from release to release.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

TOP_K = 250
"""Tokens that sampling chooses among, as AudioCraft's ``generate`` does."""


class NotNumbers(Exception):  # noqa: N818 - what was found, for whoever judges the model
    """There is NaN or Inf among the logits."""


@dataclass(frozen=True)
class Decoding:
    """How tokens are made.

    Attributes:
        delays: of each codebook, in steps.
        special: the token that stands where there is none.
        guidance: how much the condition counts, 1 for no more than it says.
        advance: is told of each step.
    """

    delays: Sequence[int]
    special: int
    guidance: float
    advance: Callable[[int], None]

    def tokens(self, model: Any, condition: Tensor | None, frames: int, seed: int | None) -> Tensor:
        """Make the tokens of one sound.

        Args:
            model: a ``MusicgenForCausalLM`` with all its weights.
            condition: float32 [1, words, dim], or ``None``.
            frames: how many steps the sound has.
            seed: of the sampling; ``None`` takes the likeliest token each time.

        Returns:
            int64 [codebooks, frames], on the CPU.

        Raises:
            NotNumbers: when there is none to choose.
        """
        import torch

        device, books = model.device, len(self.delays)
        draws = None if seed is None else torch.Generator().manual_seed(seed)
        sequence = torch.full((books, 1 + frames + max(self.delays)), self.special)
        guided = condition is not None and self.guidance != 1
        if condition is not None and guided:
            # What AudioCraft's conditioners give for no text: nothing at all.
            condition = torch.cat([condition, torch.zeros_like(condition)])
        memory = _memory(model)
        state: dict[str, Any] = {}
        with torch.inference_mode():
            for step in range(1, sequence.shape[1]):
                given = sequence[:, step - 1 : step].to(device)
                found = model(
                    input_ids=given.repeat(2 if guided else 1, 1),
                    encoder_hidden_states=condition,
                    use_cache=True,
                    **state,
                )
                state = {memory: found[memory]}
                logits = found.logits[:, -1].cpu()
                if guided:
                    told, untold = logits[:books], logits[books:]
                    logits = untold + (told - untold) * self.guidance
                if not logits.isfinite().all():
                    raise NotNumbers(f"There is NaN or Inf among the logits of step {step}.")
                chosen = _chosen(logits, draws)
                for k, delay in enumerate(self.delays):
                    if delay < step <= frames + delay:
                        sequence[k, step] = chosen[k]
                self.advance(1)
        rows = [sequence[k, 1 + delay :][:frames] for k, delay in enumerate(self.delays)]
        return torch.stack(rows)


def _memory(model: Any) -> str:
    """Give the name under which a model takes and gives its keys and values; it has changed."""
    names = inspect.signature(model.forward).parameters
    return "cache" if "cache" in names else "past_key_values"


def _chosen(logits: Tensor, draws: Any) -> Tensor:
    """Choose a token for each codebook: the likeliest, or one drawn among the `TOP_K` likeliest."""
    import torch

    if draws is None:
        return logits.argmax(-1)
    likely = logits.topk(min(TOP_K, logits.shape[-1]))
    drawn = torch.multinomial(likely.values.softmax(-1), 1, generator=draws)
    return likely.indices.gather(-1, drawn)[:, 0]

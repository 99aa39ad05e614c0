"""Descriptions as vectors: a frozen random one per word, in place of a T5 encoder.

Like the T5 of a real run, the vectors are no part of a checkpoint; only their projection to the
model's width is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn

from stages.miniature.seeds import generator

WIDTHS = {"t5-small": 512, "t5-base": 768, "t5-large": 1024}
"""Floats per token of the encoders whose place the random vectors take."""


@lru_cache(maxsize=1024)
def word_vector(word: str, width: int) -> Tensor:
    """Give a word's own random vector: float32 [width], the same in every process."""
    return torch.randn(width, generator=generator("word", word))


class Description(nn.Module):
    """Turns descriptions into what cross-attention looks at."""

    def __init__(self, width: int, dim: int) -> None:
        """Project word vectors of ``width`` to the model's ``dim``."""
        super().__init__()
        self.output_proj = nn.Linear(width, dim)

    def forward(self, descriptions: Sequence[str]) -> Tensor:
        """Encode a batch of texts.

        Returns:
            float32 [batch, words of the longest text, dim]; places without a word are zero, behind
            the projection too. An empty text is all zeros: that is how no description looks.
        """
        texts = [text.split() for text in descriptions]
        length = max(1, *(len(words) for words in texts))
        width = self.output_proj.in_features
        vectors = torch.zeros(len(texts), length, width)
        present = torch.zeros(len(texts), length, 1)
        for row, words in enumerate(texts):
            for column, word in enumerate(words):
                vectors[row, column] = word_vector(word, width)
                present[row, column] = 1
        projected: Tensor = self.output_proj(vectors)
        return projected * present


class ConditionProvider(nn.Module):
    """Holds the one conditioner under the name that AudioCraft gives it."""

    def __init__(self, width: int, dim: int) -> None:
        """Make the description's conditioner."""
        super().__init__()
        self.conditioners = nn.ModuleDict({"description": Description(width, dim)})

    def forward(self, descriptions: Sequence[str]) -> Tensor:
        """Encode a batch of texts: float32 [batch, words, dim]."""
        encoded: Tensor = self.conditioners["description"](descriptions)
        return encoded


def forget_words(
    descriptions: Sequence[str], word: float, whole: float, draws: torch.Generator
) -> list[str]:
    """Drop words, so that the model copes with fewer, and with none.

    Args:
        descriptions: the texts of a batch.
        word: share of words to drop.
        whole: chance that the batch loses all its texts (for classifier-free guidance).
        draws: where chance comes from.
    """
    if torch.rand((), generator=draws).item() < whole:
        return [""] * len(descriptions)
    kept = []
    for text in descriptions:
        words = text.split()
        fate = torch.rand(len(words), generator=draws).tolist()
        kept.append(" ".join(w for w, f in zip(words, fate, strict=True) if f >= word))
    return kept

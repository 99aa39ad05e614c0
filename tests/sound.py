"""How a model sounds: tokens sampled from it, and how far their audio stands out against noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stages.miniature.delay import delayed
from stages.miniature.model import LanguageModel

WINDOW = 2048
"""Samples of a spectrum: an eighth of a second at 16 kHz."""


def tonality(audio: Tensor) -> float:
    """Measure by how much the loudest frequency stands out.

    Args:
        audio: float32 [..., samples].

    Returns:
        dB of the highest over the median power of a spectrum, the median of all spectra. White
        noise has 10, whatever its level; a pure tone more than 80.
    """
    power = torch.stft(
        audio.flatten(0, -2), WINDOW, window=torch.hann_window(WINDOW), center=False,
        return_complex=True,
    ).abs().pow(2).clamp(min=1e-12)  # fmt: skip
    return (10 * (power.amax(1) / power.median(1).values).log10()).median().item()


def pitches(audio: Tensor, sample_rate: int) -> Tensor:
    """Give the loudest frequency of each spectrum, in Hz: float32 [spectra]."""
    spectra = torch.stft(
        audio.flatten(0, -2), WINDOW, window=torch.hann_window(WINDOW), center=False,
        return_complex=True,
    ).abs()  # fmt: skip
    return spectra.argmax(1).flatten() * sample_rate / WINDOW


@torch.no_grad()
def sample(
    model: LanguageModel, texts: Sequence[str], steps: int, seed: int, guidance: float = 3.0
) -> Tensor:
    """Sample tokens as AudioCraft generates them, with the delay pattern and guidance.

    Returns:
        int64 tokens [texts, codebooks, steps].
    """
    draws = torch.Generator().manual_seed(seed)
    books = len(model.emb)
    delays = list(range(books))
    codes = torch.zeros(len(texts), books, steps + books - 1, dtype=torch.int64)
    for step in range(steps + books - 1):
        sequence = delayed(codes, delays, model.special)[:, :, : step + 1]
        told, untold = model(sequence, texts), model(sequence, [""] * len(texts))
        logits = (untold + guidance * (told - untold))[:, :, -1]
        drawn = torch.multinomial(logits.softmax(-1).flatten(0, 1), 1, generator=draws)
        for book, token in enumerate(drawn.view(len(texts), books).unbind(1)):
            if step >= book:
                codes[:, book, step - book] = token
    return codes[:, :, :steps]

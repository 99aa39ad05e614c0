"""How a model sounds: tokens sampled from it, and how far their audio stands out against noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stages.miniature.delay import delayed
from stages.miniature.model import LanguageModel

WINDOW = 2048
"""Samples of a spectrum: an eighth of a second at 16 kHz."""


def spectra(audio: Tensor) -> Tensor:
    """Give the power of audio [..., samples]: float32 [sounds, frequencies, spectra]."""
    window = torch.hann_window(WINDOW)
    found = torch.stft(
        audio.flatten(0, -2), WINDOW, WINDOW // 2, window=window, center=False, return_complex=True
    )
    return found.abs().pow(2).clamp(min=1e-12)


def tonality(audio: Tensor) -> float:
    """Measure by how much the loudest frequency stands out.

    Returns:
        dB of the highest over the median power of a spectrum, the median of all spectra. White
        noise has 10, whatever its level; a pure tone more than 100.
    """
    power = spectra(audio)
    return (10 * (power.amax(1) / power.median(1).values).log10()).median().item()


def pitches(audio: Tensor, sample_rate: int) -> Tensor:
    """Give the loudest frequencies, in Hz: float32 [sounds, spectra]."""
    return spectra(audio).argmax(1) * sample_rate / WINDOW


def steadiness(audio: Tensor, sample_rate: int) -> float:
    """Give the share of spectra whose loudest frequency is that of the one before."""
    heard = pitches(audio, sample_rate)
    return (heard[:, 1:] == heard[:, :-1]).float().mean().item()


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

"""How far audio is from what it should be, as spectra at several resolutions.

AudioCraft's name for it is ``mrstft``; the arithmetic is that of ``audiocraft.losses.stftloss``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class SpectralLoss:
    """Compares magnitudes at several resolutions.

    Attributes:
        resolutions: samples of each window, and of the step to the next.
        convergence: weight of the difference relative to the magnitudes themselves.
        magnitude: weight of the difference of their logarithms.
    """

    resolutions: Sequence[tuple[int, int]]
    convergence: float
    magnitude: float

    @classmethod
    def of(cls, cfg: DictConfig) -> SpectralLoss:
        """Read it from a run's config."""
        mrstft = cfg.mrstft
        resolutions = list(zip(mrstft.n_ffts, mrstft.hop_lengths, strict=True))
        return cls(resolutions, mrstft.factor_sc, mrstft.factor_mag)

    def __call__(self, audio: Tensor, target: Tensor) -> Tensor:
        """Compare audio [batch, 1, samples] with its target: a scalar, 0 where they agree."""
        loss = audio.new_zeros(())
        for window, step in self.resolutions:
            x, y = magnitudes(audio, window, step), magnitudes(target, window, step)
            loss += self.convergence * torch.linalg.vector_norm(y - x) / torch.linalg.vector_norm(y)
            loss += self.magnitude * functional.l1_loss(x.log(), y.log())
        return loss / len(self.resolutions)


def magnitudes(audio: Tensor, window: int, step: int) -> Tensor:
    """Give the spectra of audio [batch, 1, samples], never 0: [batch, frequencies, steps]."""
    spectra = torch.stft(
        audio[:, 0], window, step, window=torch.hann_window(window), return_complex=True
    )
    return (spectra.real**2 + spectra.imag**2).clamp(min=1e-7).sqrt()

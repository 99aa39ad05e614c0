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
        windows: samples of a window; a step is a quarter of it.
        convergence: weight of the difference relative to the magnitudes themselves.
        magnitude: weight of the difference of their logarithms.
    """

    windows: Sequence[int]
    convergence: float
    magnitude: float

    @classmethod
    def of(cls, cfg: DictConfig) -> SpectralLoss:
        """Read it from a run's config."""
        mrstft = cfg.mrstft
        return cls(list(mrstft.n_ffts), mrstft.factor_sc, mrstft.factor_mag)

    def __call__(self, audio: Tensor, target: Tensor) -> Tensor:
        """Compare audio [batch, 1, samples] with its target: a scalar, 0 where they agree."""
        loss = audio.new_zeros(())
        for window in self.windows:
            x, y = magnitudes(audio, window), magnitudes(target, window)
            loss += self.convergence * torch.linalg.vector_norm(y - x) / torch.linalg.vector_norm(y)
            loss += self.magnitude * functional.l1_loss(x.log(), y.log())
        return loss / len(self.windows)


def magnitudes(audio: Tensor, window: int) -> Tensor:
    """Give the spectra of audio [batch, 1, samples], never 0: [batch, frequencies, steps]."""
    spectra = torch.stft(
        audio[:, 0], window, window // 4, window=torch.hann_window(window), return_complex=True
    )
    return (spectra.real**2 + spectra.imag**2).clamp(min=1e-7).sqrt()

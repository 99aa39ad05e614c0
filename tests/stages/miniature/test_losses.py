import math

import pytest
import torch

from stages.miniature.losses import SpectralLoss, magnitudes

SAMPLES = 2048
BOTH = [(256, 64), (512, 128)]


def tone(pitch: float, phase: float = 0.0) -> torch.Tensor:
    return (2 * math.pi * pitch * torch.arange(SAMPLES) / 16000 + phase).sin()[None, None]


def test_what_agrees_has_no_loss():
    loss = SpectralLoss(BOTH, 0.5, 0.5)
    assert loss(tone(500), tone(500)).item() == 0


def test_pitch_counts_and_phase_hardly():
    loss = SpectralLoss(BOTH, 0.5, 0.5)
    turned, another = loss(tone(500, 1.0), tone(500)), loss(tone(900), tone(500))
    assert turned < 0.3 * another


def test_it_is_the_mean_over_the_windows_of_both_parts():
    x, y = tone(500), 2 * tone(500)
    expected = (
        sum(
            0.25 * ((magnitudes(y, *w) - magnitudes(x, *w)).norm() / magnitudes(y, *w).norm())
            + 0.75 * (magnitudes(y, *w).log() - magnitudes(x, *w).log()).abs().mean()
            for w in BOTH
        )
        / 2
    )
    assert SpectralLoss(BOTH, 0.25, 0.75)(x, y).item() == pytest.approx(expected.item())


def test_silence_has_a_gradient():
    silence = torch.zeros(1, 1, SAMPLES, requires_grad=True)
    SpectralLoss(BOTH[:1], 0.5, 0.5)(silence, tone(500)).backward()
    assert silence.grad is not None and silence.grad.isfinite().all()

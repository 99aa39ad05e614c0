"""``demucs.audio``."""

from __future__ import annotations

import julius
import torch


def convert_audio(wav: torch.Tensor, rate: int, to_rate: int, channels: int) -> torch.Tensor:
    """Give a [..., channels, time] with another number of channels and another sample rate."""
    wav = wav.mean(-2, keepdim=True).expand(*wav.shape[:-2], channels, wav.shape[-1])
    return julius.resample_frac(wav, rate, to_rate)

"""``demucs.apply``."""

from __future__ import annotations

import torch

from demucs.pretrained import Separator


def apply_model(model: Separator, mix: torch.Tensor, device: object = None) -> torch.Tensor:
    """Give [batch, stems, channels, time] for a mix of [batch, channels, time]."""
    return torch.stack([mix] * len(model.sources), dim=1)

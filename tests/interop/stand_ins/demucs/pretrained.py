"""``demucs.pretrained``."""

from __future__ import annotations

from torch import nn


class Separator(nn.Module):
    """What AudioCraft reads of a Demucs."""

    sources = ("drums", "bass", "other", "vocals")
    samplerate = 44100
    audio_channels = 2


def get_model(name: str) -> Separator:
    """Give the separator, whatever its name."""
    separator = Separator()
    separator.sources = list(Separator.sources)  # AudioCraft asks for an index
    return separator

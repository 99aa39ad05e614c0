"""Which of the release files in ``config/release`` is about a model."""

from __future__ import annotations

import math
from collections.abc import Mapping

from stages.common.architecture import Architecture

FILES: Mapping[str, Mapping[str, float]] = {
    "musicgen": {"musicgen_small": 1024, "musicgen_medium": 1536, "musicgen_large": 2048},
    "musicgen stereo": {"musicgen_stereo_small": 1024},
    "musicgen chroma_stem": {"musicgen_melody": 1536},
    "musicgen style": {"musicgen_style": 1536},
    "audiogen": {"audiogen_medium": 1536},
    "magnet": {"magnet_small": 1024},
    "jasco": {"jasco_chords_drums": 1024},
    "compression": {"encodec_32khz": math.inf},
}
"""By kind, each file with the width of its model, narrow ones first: a wider one is another."""

_TOLD_WITH = ("chroma_stem", "style")
"""Kinds of conditioners that a MusicGen is named by."""


def release_file(architecture: Architecture) -> str | None:
    """Give the release file that is about such a model, nothing where there is none."""
    width = architecture.dim or 0
    fitting = FILES.get(_kind(architecture), {})
    return next((name for name, widest in fitting.items() if width <= widest), None)


def _kind(architecture: Architecture) -> str:
    solver = architecture.solver or ""
    if solver != "musicgen":
        return solver
    models = [c.model for c in architecture.conditioners if c.model in _TOLD_WITH]
    stereo = ["stereo"] if architecture.channels == 2 else []
    return " ".join([solver, *stereo, *models])

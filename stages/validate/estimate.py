"""How long a validation will take, for the plan: right to within a factor of two or so.

The figures are of two cores of a server; what else the machine does, and a GPU, are not foreseen.
"""

from __future__ import annotations

from pipeline.stage import Facts
from stages.validate.logits import BATCH, STEPS
from stages.validate.request import Request

_START = 4.0
"""Seconds until torch and transformers are loaded."""

_BYTES = 500e6
"""Of a file, a second: all that is read is checksummed, compared or converted."""

_PASSES = 6
"""Times that the weights are read: here and at their source, for parity, numbers and logits."""

_OPERATIONS = 30e9
"""Of floats, a second."""

_STEP = 0.01
"""Seconds that a step of decoding takes besides its arithmetic."""

_FRAMES = 50.0
"""Steps of a second of sound, in Hz, where the codec does not say."""


def seconds(request: Request, source: Facts, codec: Facts) -> float | None:
    """Estimate the seconds; ``None`` while the size of the model is not known.

    Args:
        request: what is asked.
        source: facts of collect, planned or recorded.
        codec: facts of export_compression.
    """
    if "bytes" not in source or "parameters" not in source:
        return None
    read = source["bytes"] / _BYTES
    if request.kind == "off":
        return float(read)
    operations = 2 * source["parameters"] / _OPERATIONS
    total = _START + _PASSES * read + 2 * BATCH * STEPS * operations
    if request.kind == "full" and source.get("family") == "lm":
        figures = codec.get("codec") or {}
        frames = request.config.seconds * figures.get("frame_rate", _FRAMES)
        # Greedy decoding, and twice for each prompt: with the text and without it.
        passes = 1 + 2 * max(1, len(request.config.prompts)) * len(request.config.seeds)
        total += frames * passes * (_STEP + operations)
    return float(total)


def told(known: float | None) -> str:
    """Give the end of a plan's line: ``, about 40 s``; nothing where nothing is known."""
    if known is None:
        return ""
    return f", about {known:.0f} s" if known < 100 else f", about {known / 60:.0f} min"

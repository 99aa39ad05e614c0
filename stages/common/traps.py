"""What loads and then surprises: known traps of AudioCraft, each with what cures it."""

from __future__ import annotations

from stages.common.checks import Outcome, passed, skipped, warned
from stages.common.settings import Settings

STRIDES = {"musicgen": (18, 30), "audiogen": (2, 10)}
"""By solver: the seconds by which its generation strides, and the duration that AudioCraft sets."""

API = {"musicgen": "MusicGen", "audiogen": "AudioGen"}


def segment_duration(settings: Settings) -> Outcome:
    """Find the duration for which ``get_pretrained`` asserts instead of loading."""
    solver = settings.get("solver")
    if solver not in STRIDES:
        return skipped(f"solver {solver} has no such trap")
    stride, usual = STRIDES[solver]
    seconds = settings.get("dataset.segment_duration")
    if not isinstance(seconds, int | float):
        return skipped("xp.cfg does not say dataset.segment_duration")
    if seconds <= stride:
        return warned(
            f"dataset.segment_duration is {seconds:g} s: {API[solver]}.get_pretrained refuses "
            f"{stride} s or less",
            f"'export.config_overrides={{dataset.segment_duration: {usual}}}'",
        )
    return passed(f"dataset.segment_duration is {seconds:g} s, more than {stride} s")


def text(settings: Settings) -> Outcome:
    """Find a model that takes no descriptions."""
    solver = settings.get("solver")
    if solver not in STRIDES:
        return skipped(f"solver {solver} has no such trap")
    if "description" not in settings.conditioners:
        return warned(
            "There is no text conditioner (conditioners.description): descriptions fail",
            "say in card.description that only generate_unconditional works",
        )
    return passed("descriptions are taken")

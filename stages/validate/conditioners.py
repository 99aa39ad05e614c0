"""The tensors of an LM's conditioners: what a checkpoint keeps of T5, tables, chroma and CLAP.

The frozen encoders themselves (T5, Demucs, CLAP) are kept out of the state on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator

from stages.common.settings import Settings, Unusable
from stages.validate.keys import Shape, codebooks, linear

T5_WIDTHS = {
    "t5-small": 512,
    "t5-base": 768,
    "t5-large": 1024,
    "t5-3b": 1024,
    "t5-11b": 1024,
    "google/flan-t5-small": 512,
    "google/flan-t5-base": 768,
    "google/flan-t5-large": 1024,
}
"""Width of the T5 encoders that AudioCraft takes; it fails to build the larger flan ones."""

PREFIX = "condition_provider.conditioners"


def shapes(settings: Settings, dim: int) -> Iterator[tuple[str, Shape]]:
    """Give the tensors of all conditioners with a key model."""
    for name, model in settings.conditioners.items():
        if unknown(settings, name, model):
            continue
        prefix, node = f"{PREFIX}.{name}", f"conditioners.{name}.{model}"
        width = _width(settings, node, model)
        yield from linear(f"{prefix}.output_proj", width, dim, bias=True)
        if model == "lut":
            yield f"{prefix}.embed.weight", (settings.count(f"{node}.n_bins"), width)
        elif model == "chroma_stem":
            yield f"{prefix}.chroma.spec.window", (_window(settings, node),)
        elif model == "clap" and settings.flag(f"{node}.quantize", True):
            n_q, bins = settings.count(f"{node}.n_q", 12), settings.count(f"{node}.bins", 1024)
            yield from codebooks(f"{prefix}.quantizer", n_q, bins, width)


def open_prefixes(settings: Settings) -> dict[str, str]:
    """Give the prefixes whose tensors have no key model, with the reason."""
    prefixes = {}
    for name, model in settings.conditioners.items():
        if unknown(settings, name, model):
            prefixes[f"{PREFIX}.{name}."] = f"no key model for conditioner {name} ({model})"
        elif model == "t5" and settings.flag(f"conditioners.{name}.t5.finetune", False):
            prefixes[f"{PREFIX}.{name}.t5."] = f"no key model for the finetuned T5 of {name}"
    return prefixes


def unknown(settings: Settings, name: str, model: str) -> bool:
    """Tell whether a conditioner is of a kind, or a T5 of a name, that this module knows not."""
    if model == "t5":
        return settings.get(f"conditioners.{name}.t5.name") not in T5_WIDTHS
    return model not in ("lut", "chroma_stem", "clap")


def _width(settings: Settings, node: str, model: str) -> int:
    if model == "t5":
        return T5_WIDTHS[settings.need(f"{node}.name")]
    return settings.count(f"{node}.n_chroma" if model == "chroma_stem" else f"{node}.dim")


def _window(settings: Settings, node: str) -> int:
    """Give the length of the spectrogram's window, a buffer that the checkpoint keeps."""
    if settings.get(f"{node}.winlen"):
        return settings.count(f"{node}.winlen")
    exponent = settings.count(f"{node}.radix2_exp", least=0)
    if exponent > 30:
        raise Unusable(f"{node}.radix2_exp is {exponent}, too large for a window")
    return 1 << exponent

"""The tensors of a model's conditioners: what a checkpoint keeps of T5, tables, chroma and so on.

The frozen encoders themselves (T5, Demucs, CLAP, MERT) are kept out of the state on purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from stages.common.settings import Settings, Unusable
from stages.validate import style
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

Kind = Callable[[Settings, str, str, int], Iterator[tuple[str, Shape]]]


def shapes(settings: Settings, dim: int) -> Iterator[tuple[str, Shape]]:
    """Give the tensors of all conditioners with a key model."""
    for name, model in settings.conditioners.items():
        if not unknown(settings, name, model):
            prefix, node = f"{PREFIX}.{name}", f"conditioners.{name}.{model}"
            yield from KINDS[model](settings, prefix, node, dim)


def open_prefixes(settings: Settings) -> dict[str, str]:
    """Give the prefixes whose tensors have no key model, with the reason."""
    prefixes = {}
    for name, model in settings.conditioners.items():
        prefix, node = f"{PREFIX}.{name}", f"conditioners.{name}.{model}"
        if unknown(settings, name, model):
            prefixes[f"{prefix}."] = f"no key model for conditioner {name} ({model})"
        elif model == "t5" and settings.flag(f"{node}.finetune", False):
            prefixes[f"{prefix}.t5."] = f"no key model for the finetuned T5 of {name}"
        elif model == "drum_latents":
            # transformers' EnCodec, whose names changed with its versions.
            prefixes[f"{prefix}.compression_model."] = f"no key model for the codec inside {name}"
        elif model == "style":
            prefixes |= style.open_prefix(settings, prefix, node)
    return prefixes


def unknown(settings: Settings, name: str, model: str) -> bool:
    """Tell whether a conditioner is of a kind, or a T5 of a name, that this module knows not."""
    if model == "t5":
        return settings.get(f"conditioners.{name}.t5.name") not in T5_WIDTHS
    return model not in KINDS


def _t5(settings: Settings, prefix: str, node: str, dim: int) -> Iterator[tuple[str, Shape]]:
    width = T5_WIDTHS[settings.need(f"{node}.name")]
    yield from linear(f"{prefix}.output_proj", width, dim, bias=True)


def _lut(settings: Settings, prefix: str, node: str, dim: int) -> Iterator[tuple[str, Shape]]:
    width = settings.count(f"{node}.dim")
    yield from linear(f"{prefix}.output_proj", width, dim, bias=True)
    yield f"{prefix}.embed.weight", (settings.count(f"{node}.n_bins"), width)


def _chroma(settings: Settings, prefix: str, node: str, dim: int) -> Iterator[tuple[str, Shape]]:
    yield from linear(f"{prefix}.output_proj", settings.count(f"{node}.n_chroma"), dim, bias=True)
    yield f"{prefix}.chroma.spec.window", (_window(settings, node),)


def _clap(settings: Settings, prefix: str, node: str, dim: int) -> Iterator[tuple[str, Shape]]:
    width = settings.count(f"{node}.dim")
    yield from linear(f"{prefix}.output_proj", width, dim, bias=True)
    if settings.flag(f"{node}.quantize", True):
        n_q, bins = settings.count(f"{node}.n_q", 12), settings.count(f"{node}.bins", 1024)
        yield from codebooks(f"{prefix}.quantizer", n_q, bins, width)


# JASCO's conditions in time have a width of their own: they are put beside the latents.


def _chords(settings: Settings, prefix: str, node: str, _: int) -> Iterator[tuple[str, Shape]]:
    chords = settings.count(f"{node}.card") + 1  # and none at all
    yield f"{prefix}.emb.weight", (chords, settings.count(f"{node}.out_dim"))


def _drums(settings: Settings, prefix: str, node: str, _: int) -> Iterator[tuple[str, Shape]]:
    latents = settings.count(f"{node}.compression_model_latent_dim", 128)
    width = settings.count(f"{node}.out_dim")
    yield from linear(f"{prefix}.output_proj", latents, width, bias=True)


def _melody(settings: Settings, prefix: str, node: str, _: int) -> Iterator[tuple[str, Shape]]:
    pitches, width = settings.count(f"{node}.card"), settings.count(f"{node}.out_dim")
    yield from linear(f"{prefix}.output_proj", pitches, width, bias=True)


KINDS: Mapping[str, Kind] = {
    "t5": _t5,
    "lut": _lut,
    "chroma_stem": _chroma,
    "clap": _clap,
    "style": style.shapes,
    "chords_emb": _chords,
    "drum_latents": _drums,
    "melody": _melody,
}
"""By ``conditioners.NAME.model``: gives its tensors for its prefix, its node and the LM's width."""


def _window(settings: Settings, node: str) -> int:
    """Give the length of the spectrogram's window, a buffer that the checkpoint keeps."""
    if settings.get(f"{node}.winlen"):
        return settings.count(f"{node}.winlen")
    exponent = settings.count(f"{node}.radix2_exp", least=0)
    if exponent > 30:
        raise Unusable(f"{node}.radix2_exp is {exponent}, too large for a window")
    return 1 << exponent

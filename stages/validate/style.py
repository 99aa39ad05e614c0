"""The tensors of MusicGen Style's conditioner: what it learnt to hear in an excerpt.

The frozen model that it listens with (MERT, or an EnCodec) is kept out of the state.

Source: ``FeatureExtractor`` and ``StyleConditioner`` of AudioCraft 1.4.0a2; checked against what
its builders make.
"""

from __future__ import annotations

from collections.abc import Iterator

from stages.common import codecs
from stages.common.settings import Settings, Unusable
from stages.validate.keys import Shape, codebooks, linear
from stages.validate.transformer import Layer, few

_SCALES = {
    "xsmall": (256, 8, 4),
    "default": (512, 8, 8),
    "large": (1024, 16, 24),
    "none": (512, 1, 0),
}
"""By ``transformer_scale``: width, heads and layers of its transformer."""

_MERT = 768
"""Floats for each step that MERT hears."""


def shapes(settings: Settings, prefix: str, node: str, dim: int) -> Iterator[tuple[str, Shape]]:
    """Give the tensors of one style conditioner.

    Args:
        settings: with the nodes `stages.common.settings.LM_NODES`.
        prefix: of its tensors.
        node: of its settings, ``conditioners.NAME.style``.
        dim: width of the language model.

    Raises:
        Unusable: when a figure is missing or none.
    """
    scale = settings.get(f"{node}.transformer_scale", "default")
    if scale not in _SCALES:
        raise Unusable(f"{node}.transformer_scale is {scale!r}, not one of {', '.join(_SCALES)}")
    width, heads, layers = _SCALES[scale]
    yield from linear(f"{prefix}.output_proj", width, dim, bias=True)
    yield from _heard(settings, f"{prefix}.embed", node, width)
    layer = Layer(width, heads, 4 * width, custom=True, bias_attn=False, bias_ff=False)
    yield from layer.stack(f"{prefix}.transformer", layers)
    if settings.count(f"{node}.n_q_out", 6, least=0):
        n_q = few(settings, f"{node}.n_q_out", 6)
        bins = settings.count(f"{node}.bins", 1024)
        yield from codebooks(f"{prefix}.rvq", n_q, bins, width)
    if settings.flag(f"{node}.batch_norm", True):
        yield f"{prefix}.batch_norm.running_mean", (width,)
        yield f"{prefix}.batch_norm.running_var", (width,)
        yield f"{prefix}.batch_norm.num_batches_tracked", ()


def open_prefix(settings: Settings, prefix: str, node: str) -> dict[str, str]:
    """Give the prefix of what depends on a codec that is not known here, with the reason."""
    if settings.get(f"{node}.model_name") != "encodec" or _codec(settings, node):
        return {}
    named = settings.get(f"{node}.encodec_checkpoint")
    return {f"{prefix}.embed.": f"the codes of {named}, by which it hears, are not known here"}


def _heard(settings: Settings, prefix: str, node: str, width: int) -> Iterator[tuple[str, Shape]]:
    """Give the tensors that take in what the frozen model gives."""
    model = settings.need(f"{node}.model_name")
    if model == "mert":
        yield from linear(prefix, _MERT, width, bias=True)
    elif model != "encodec":
        raise Unusable(f"{node}.model_name is {model!r}, neither mert nor encodec")
    elif codec := _codec(settings, node):
        for index in range(few(settings, f"{node}.encodec_n_q", 4)):
            yield f"{prefix}.{index}.weight", (codec.cardinality, width)


def _codec(settings: Settings, node: str) -> codecs.Codec | None:
    named = str(settings.get(f"{node}.encodec_checkpoint"))
    return codecs.KNOWN.get(named.removeprefix(codecs.REFERENCE_PREFIX))

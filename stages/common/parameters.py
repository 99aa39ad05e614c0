"""How many parameters a run's model has, worked out from its config alone.

The counts are those of AudioCraft 1.3.0's ``LMModel`` and ``EncodecModel``, buffers included as its
checkpoints have them. Of a conditioner only the projection into the model is saved, since its
encoder is pretrained; one that is not known here is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator

from stages.common.xp_outline import Outline

MAX = 10**13
"""More than any model has."""

_LANGUAGE_MODELS = frozenset({"musicgen", "audiogen", "magnet", "audio_magnet"})
_T5_WIDTHS = {"small": 512, "base": 768, "large": 1024, "xl": 2048, "xxl": 4096}
_T5_WIDTHS |= {"3b": 1024, "11b": 1024}
_MAX_STEPS = 16
"""Of a codec's downsampling; a real one has four."""


def parameters_of(config: Outline) -> int | None:
    """Give the number of parameters; ``None`` where the config does not tell."""
    solver = config.text("solver")
    try:
        if solver in _LANGUAGE_MODELS:
            found = _language_model(config)
        elif solver == "compression":
            found = _codec(config)
        else:
            return None
    except _Untold:
        return None
    return found if 0 < found < MAX else None


class _Untold(Exception):  # noqa: N818 - not an error: there is nothing to say then
    """A size that the config lacks."""


def _size(config: Outline, path: str, default: int | None = None) -> int:
    value = config.number(path)
    if type(value) is int and 0 <= value < MAX:
        return value
    if value is None and default is not None:
        return default
    raise _Untold


def _language_model(config: Outline) -> int:
    lm = "transformer_lm"
    dim, cards = _size(config, f"{lm}.dim"), _size(config, f"{lm}.card")
    hidden = _size(config, f"{lm}.hidden_scale", 4) * dim
    codes = (cards + 1) * dim + cards * dim
    codes += cards if config.flag(f"{lm}.bias_proj") else 0
    feed = 2 * hidden * dim + (hidden + dim if config.flag(f"{lm}.bias_ff") else 0)
    layer = feed + _attention(config, dim) + 2 * _norm(dim)
    scaled = 2 * dim
    if config.holds("fuser.cross"):
        layer += _attention(config, dim, cross=True) + _norm(dim)
        scaled += dim
    layer += scaled if config.text(f"{lm}.layer_scale") else 0
    last = _norm(dim) if config.flag(f"{lm}.norm_first") else 0
    levels, layers = _size(config, f"{lm}.n_q"), _size(config, f"{lm}.num_layers")
    return levels * codes + layers * layer + last + sum(_projections(config, dim))


def _norm(dim: int) -> int:
    return 2 * dim


def _attention(config: Outline, dim: int, cross: bool = False) -> int:
    lm = "transformer_lm"
    repeat = 1 if cross else max(_size(config, f"{lm}.kv_repeat", 1), 1)
    rows = dim + 2 * (dim // repeat)
    bias = rows + dim if config.flag(f"{lm}.bias_attn") else 0
    normed = config.flag(f"{lm}.qk_layer_norm_cross" if cross else f"{lm}.qk_layer_norm")
    return rows * dim + dim * dim + bias + (2 * _norm(dim) if normed else 0)


def _projections(config: Outline, dim: int) -> Iterator[int]:
    """Give what each conditioner adds: a projection with a bias."""
    for name in config.names("conditioners"):
        at = f"conditioners.{name}"
        model = config.text(f"{at}.model")
        if model == "t5":
            size = (config.text(f"{at}.t5.name") or "").rpartition("-")[2]
            if width := _T5_WIDTHS.get(size):
                yield (width + 1) * dim
        elif model == "lut":
            width = _size(config, f"{at}.lut.dim")
            yield _size(config, f"{at}.lut.n_bins") * width + (width + 1) * dim
        elif model == "chroma_stem":
            window = 2 ** min(_size(config, f"{at}.chroma_stem.radix2_exp", 14), 30)
            yield (_size(config, f"{at}.chroma_stem.n_chroma") + 1) * dim + window


def _codec(config: Outline) -> int:
    """Count SEANet's two halves, mirror images of each other, and the residual codebooks."""
    net = "seanet"
    channels, filters = _size(config, f"{net}.channels"), _size(config, f"{net}.n_filters")
    latent, lstm = _size(config, f"{net}.dimension"), _size(config, f"{net}.lstm", 0)
    first, last = _size(config, f"{net}.kernel_size"), _size(config, f"{net}.last_kernel_size")
    ratios = [ratio for ratio in config.numbers(f"{net}.ratios") if isinstance(ratio, int)]
    if not ratios or len(ratios) > _MAX_STEPS:
        raise _Untold
    normed = config.text(f"{net}.norm") == "weight_norm"
    inmost = filters << len(ratios)
    found = _conv(channels, filters, first, normed) + _conv(inmost, latent, last, normed)
    found += _conv(latent, inmost, first, normed) + _conv(filters, channels, last, normed)
    found += 2 * lstm * 8 * inmost * (inmost + 1)
    for step, ratio in enumerate(reversed(ratios)):
        narrow = filters << step
        kernel = 2 * ratio
        found += 2 * sum(_residual(config, narrow, normed))
        found += _conv(narrow, 2 * narrow, kernel, normed)
        # Transposed, and normed over its inputs.
        found += 2 * narrow * narrow * kernel + narrow + (2 * narrow if normed else 0)
    bins = _size(config, "rvq.bins")
    return found + _size(config, "rvq.n_q") * (1 + bins + 2 * bins * latent)


def _conv(inputs: int, outputs: int, kernel: int, normed: bool) -> int:
    return inputs * outputs * kernel + outputs + (outputs if normed else 0)


def _residual(config: Outline, width: int, normed: bool) -> Iterator[int]:
    hidden = width // max(_size(config, "seanet.compress", 2), 1)
    kernel = _size(config, "seanet.residual_kernel_size", 3)
    block = _conv(width, hidden, kernel, normed) + _conv(hidden, width, 1, normed)
    shortcut = 0 if config.flag("seanet.true_skip") else _conv(width, width, 1, normed)
    yield _size(config, "seanet.n_residual_layers", 1) * (block + shortcut)

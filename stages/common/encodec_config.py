"""transformers' config of an EnCodec, from AudioCraft's xp.cfg.

Source: ``EncodecConfig`` of transformers 5; ``SEANetEncoder`` and ``SEANetDecoder`` of AudioCraft
1.3.0 for the defaults.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from stages.common.encodec_names import padded_size
from stages.common.settings import Settings


def codec_config(settings: Settings) -> dict[str, Any]:
    """Give the config of an ``EncodecModel``.

    Args:
        settings: with the nodes `stages.common.settings.CODEC_NODES`.

    Raises:
        Unusable: when a figure is missing or none.
    """
    ratios = settings.counts("seanet.ratios", [8, 5, 4, 2], most=1024)
    sample_rate, hop = settings.count("encodec.sample_rate"), math.prod(ratios)
    size = padded_size(settings.count("rvq.bins", 1024))
    dimension = settings.count("seanet.dimension", 128)
    return {
        "model_type": "encodec",
        "architectures": ["EncodecModel"],
        "sampling_rate": sample_rate,
        "audio_channels": settings.count("encodec.channels"),
        "normalize": settings.flag("encodec.renormalize", False),
        "chunk_length_s": None,
        "overlap": None,
        "hidden_size": dimension,
        "num_filters": settings.count("seanet.n_filters", 32),
        "num_residual_layers": settings.count("seanet.n_residual_layers", 3, least=0),
        "upsampling_ratios": ratios,
        "norm_type": settings.get("seanet.norm", "none"),
        "kernel_size": settings.count("seanet.kernel_size", 7),
        "last_kernel_size": settings.count("seanet.last_kernel_size", 7),
        "residual_kernel_size": settings.count("seanet.residual_kernel_size", 3),
        "dilation_growth_rate": settings.count("seanet.dilation_base", 2),
        "use_causal_conv": settings.flag("encodec.causal", False),
        "pad_mode": settings.get("seanet.pad_mode", "reflect"),
        "compress": settings.count("seanet.compress", 2),
        "num_lstm_layers": settings.count("seanet.lstm", 0, least=0),
        "trim_right_ratio": float(settings.get("seanet.decoder.trim_right_ratio", 1.0)),
        "codebook_size": size,
        "codebook_dim": dimension,
        "use_conv_shortcut": not settings.flag("seanet.true_skip", True),
        "target_bandwidths": [bandwidth(settings.count("rvq.n_q", 8), sample_rate, hop, size)],
    }


def bandwidth(n_q: int, sample_rate: int, hop: int, size: int) -> float:
    """Give the kilobits per second from which transformers takes the number of codebooks.

    It divides and rounds down, so that a float that is a hair too small would lose one.

    Args:
        n_q: the codebooks.
        sample_rate: in Hz.
        hop: samples per code.
        size: of a codebook, a power of two.
    """
    bits = _bits(sample_rate, hop, size)
    found = n_q * bits / 1000
    while int(1000 * found // bits) < n_q:
        found = math.nextafter(found, math.inf)
    return found


def codebooks_of(config: Mapping[str, Any]) -> int:
    """Give how many codebooks transformers takes for a config of an ``EncodecModel``."""
    hop = math.prod(config["upsampling_ratios"])
    bits = _bits(config["sampling_rate"], hop, config["codebook_size"])
    return int(1000 * config["target_bandwidths"][-1] // bits)


def _bits(sample_rate: int, hop: int, size: int) -> int:
    """Give the bits that one codebook takes for a second of sound."""
    # As transformers counts the frames of a second: up, not down as AudioCraft does.
    return math.ceil(sample_rate / hop) * (size - 1).bit_length()

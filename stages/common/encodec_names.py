"""AudioCraft's EnCodec under the names of transformers' ``EncodecModel``.

Source: ``EncodecModel`` of AudioCraft 1.3.0 and of transformers 5, which keeps the gain and the
direction of a weight norm as a parametrization. Measured: the codes are equal, and so are the
decoded waves, to the last bit.
"""

from __future__ import annotations

import re

from stages.common.renaming import Padding, Part, Shapes, demand_none_left

FAR = 1e4
"""Of each element of a vector that fills a codebook up: no latent is near it."""

_WEIGHT_NORM = {
    "weight_g": "parametrizations.weight.original0",
    "weight_v": "parametrizations.weight.original1",
}
_CONV = re.compile(
    r"(encoder|decoder)\.model\.(\d+)((?:\.block\.\d+|\.shortcut)?)\."
    r"(?:conv\.(conv|norm)|convtr\.(convtr|norm))\.(weight_g|weight_v|weight|bias)"
)
_LSTM = re.compile(r"(encoder|decoder)\.model\.(\d+)\.(lstm\.(?:weight|bias)_(?:ih|hh)_l\d+)")
_CODEBOOK = re.compile(
    r"quantizer\.vq\.layers\.(\d+)\._codebook\.(inited|cluster_size|embed|embed_avg)"
)
_FILLED = {"embed": FAR, "embed_avg": FAR, "cluster_size": 1.0}


def codec_parts(tensors: Shapes) -> dict[str, Part]:
    """Give what each tensor is made of, by transformers' name.

    Args:
        tensors: the shapes of AudioCraft's tensors by name.

    Raises:
        Unusable: naming the tensors that transformers has no place for.
    """
    parts: dict[str, Part] = {}
    left: list[str] = []
    for name, shape in tensors.items():
        if match := _CONV.fullmatch(name):
            place = "norm" if "norm" in (match[4], match[5]) else "conv"
            last = _WEIGHT_NORM.get(match[6], match[6])
            parts[f"{match[1]}.layers.{match[2]}{match[3]}.{place}.{last}"] = Part(name)
        elif match := _LSTM.fullmatch(name):
            parts[f"{match[1]}.layers.{match[2]}.{match[3]}"] = Part(name)
        elif match := _CODEBOOK.fullmatch(name):
            padding = _padding(match[2], shape)
            parts[f"quantizer.layers.{match[1]}.codebook.{match[2]}"] = Part(name, None, padding)
        else:
            left.append(name)
    demand_none_left(left)
    return parts


def padded_size(bins: int) -> int:
    """Give the power of two that transformers' codebooks need for ``bins`` entries."""
    return 1 << (bins - 1).bit_length()


def _padding(kind: str, shape: tuple[int, ...]) -> Padding | None:
    if kind not in _FILLED or not shape:
        return None
    rows = padded_size(shape[0]) - shape[0]
    return Padding(rows, _FILLED[kind]) if rows else None

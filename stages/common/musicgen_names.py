"""AudioCraft's language model under the names of transformers' MusicGen.

Source: ``LMModel`` of AudioCraft 1.3.0; ``MusicgenForConditionalGeneration`` and
``MusicgenMelodyForConditionalGeneration`` of transformers 5, whose decoders have the same names.

Law: of the tensors that are mapped, every row is used exactly once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from stages.common.renaming import Part, Shapes, demand_none_left

CONDITIONERS = "condition_provider.conditioners."

_LAYER = re.compile(r"transformer\.layers\.(\d+)\.(.+)")
_HEAD = re.compile(r"(emb|linears)\.(\d+)\.weight")
_ATTENTION = re.compile(r"(self_attn|cross_attention)\.(?:mha\.)?(in_proj_weight|out_proj\.weight)")
_NORM = re.compile(r"(norm1|norm2|norm_cross)\.(weight|bias)")

_HEADS = {"emb": "model.decoder.embed_tokens", "linears": "lm_heads"}
_ATTENTIONS = {"self_attn": "self_attn", "cross_attention": "encoder_attn"}
_NORMS = {
    "norm1": "self_attn_layer_norm",
    "norm_cross": "encoder_attn_layer_norm",
    "norm2": "final_layer_norm",
}
_PLAIN = {"linear1.weight": "fc1.weight", "linear2.weight": "fc2.weight"}


def decoder_parts(tensors: Shapes) -> dict[str, Part]:
    """Give what each tensor of the decoder is made of, by transformers' name.

    The names are those of ``MusicgenForCausalLM``; inside the whole model they stand below
    ``decoder.``. What belongs to the conditioners is not the decoder's, and is left out.

    Args:
        tensors: the shapes of AudioCraft's tensors by name.

    Raises:
        Unusable: naming the tensors that transformers has no place for.
    """
    parts: dict[str, Part] = {}
    left: list[str] = []
    for name, shape in tensors.items():
        if name.startswith(CONDITIONERS):
            continue
        found = dict(_renamed(name, shape))
        if not found:
            left.append(name)
        parts |= found
    demand_none_left(left)
    return parts


def conditioning_parts(tensors: Shapes, text: str, chroma: str | None = None) -> dict[str, Part]:
    """Give what the projections of the conditions are made of, by transformers' name.

    Args:
        tensors: the shapes of AudioCraft's tensors by name.
        text: the name of the text conditioner, ``description`` in AudioCraft's own configs.
        chroma: that of the melody conditioner, ``self_wav`` there.

    Raises:
        Unusable: naming the tensors of conditioners that transformers has no place for.
    """
    places = {text: "enc_to_dec_proj"} | ({chroma: "audio_enc_to_dec_proj"} if chroma else {})
    known = {
        f"{CONDITIONERS}{conditioner}.output_proj.{kind}": f"{place}.{kind}"
        for conditioner, place in places.items()
        for kind in ("weight", "bias")
    }
    # The window of the spectrogram, a constant that both sides make themselves.
    made = {f"{CONDITIONERS}{chroma}.chroma.spec.window"}
    own = [name for name in tensors if name.startswith(CONDITIONERS)]
    demand_none_left(set(own) - known.keys() - made)
    return {known[name]: Part(name) for name in own if name in known}


def _renamed(name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, Part]]:
    if match := _HEAD.fullmatch(name):
        yield f"{_HEADS[match[1]]}.{match[2]}.weight", Part(name)
    elif name in ("out_norm.weight", "out_norm.bias"):
        yield name.replace("out_norm", "model.decoder.layer_norm"), Part(name)
    elif match := _LAYER.fullmatch(name):
        for inner, part in _in_layer(match[2], name, shape):
            yield f"model.decoder.layers.{match[1]}.{inner}", part


def _in_layer(inner: str, name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, Part]]:
    if inner in _PLAIN:
        yield _PLAIN[inner], Part(name)
    elif match := _NORM.fullmatch(inner):
        yield f"{_NORMS[match[1]]}.{match[2]}", Part(name)
    elif match := _ATTENTION.fullmatch(inner):
        attention = _ATTENTIONS[match[1]]
        if match[2] == "out_proj.weight":
            yield f"{attention}.out_proj.weight", Part(name)
        elif len(shape) == 2 and shape[0] == 3 * shape[1]:
            # Queries, keys and values in one, in the order of torch's MultiheadAttention.
            for index, role in enumerate("qkv"):
                rows = slice(index * shape[1], (index + 1) * shape[1])
                yield f"{attention}.{role}_proj.weight", Part(name, rows)

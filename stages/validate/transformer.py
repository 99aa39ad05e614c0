"""The tensors of a transformer's layers, as AudioCraft's ``StreamingTransformer`` makes them.

Source: ``StreamingTransformerLayer`` and ``StreamingMultiheadAttention`` of AudioCraft 1.3.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stages.common.settings import Settings, Unusable
from stages.validate.keys import Shape, Shapes, linear, norm

LONGEST = 10_000
"""Layers or codebooks; more means a config that was made to waste time."""


@dataclass(frozen=True)
class Layer:
    """What shapes one transformer layer."""

    dim: int
    heads: int
    hidden: int
    kv_repeat: int = 1
    custom: bool = False
    cross: bool = False
    bias_attn: bool = True
    bias_ff: bool = True
    scaled: bool = False
    rope: bool = False
    xpos: bool = False
    qk_norm: bool = False
    qk_norm_cross: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Layer:
        """Read ``transformer_lm``.

        Raises:
            Unusable: when a figure is missing or none.
        """
        node = "transformer_lm"
        dim, heads = settings.count(f"{node}.dim"), settings.count(f"{node}.num_heads")
        kv_repeat = settings.count(f"{node}.kv_repeat", 1)
        if dim % heads or heads % kv_repeat:
            raise Unusable(f"{node}.num_heads is {heads}, which does not divide dim {dim}")
        position = settings.get(f"{node}.positional_embedding", "sin")
        return cls(
            dim=dim,
            heads=heads,
            hidden=int(settings.number(f"{node}.hidden_scale", 4, most=1024) * dim),
            kv_repeat=kv_repeat,
            custom=settings.flag(f"{node}.custom", False)
            or settings.flag(f"{node}.memory_efficient", False),
            cross=bool(settings.names("fuser.cross"))
            or settings.flag(f"{node}.cross_attention", False),
            bias_attn=settings.flag(f"{node}.bias_attn", True),
            bias_ff=settings.flag(f"{node}.bias_ff", True),
            scaled=settings.get(f"{node}.layer_scale") is not None,
            rope=position in ("rope", "sin_rope"),
            xpos=settings.flag(f"{node}.xpos", False),
            qk_norm=settings.flag(f"{node}.qk_layer_norm", False),
            qk_norm_cross=settings.flag(f"{node}.qk_layer_norm_cross", False),
        )

    def stack(self, prefix: str, layers: int) -> Iterator[tuple[str, Shape]]:
        """Give the tensors of a whole transformer."""
        if self.rope:
            yield from self._rotary(f"{prefix}.rope")
        for index in range(layers):
            yield from self._shapes(f"{prefix}.layers.{index}")

    def _shapes(self, prefix: str) -> Iterator[tuple[str, Shape]]:
        yield from self._attention(f"{prefix}.self_attn", self.kv_repeat, self.qk_norm)
        if self.rope:
            yield from self._rotary(f"{prefix}.self_attn.rope")
        yield from linear(f"{prefix}.linear1", self.dim, self.hidden, self.bias_ff)
        yield from linear(f"{prefix}.linear2", self.hidden, self.dim, self.bias_ff)
        scales = ["1", "2"]
        if self.cross:
            yield from self._attention(f"{prefix}.cross_attention", 1, self.qk_norm_cross)
            yield from norm(f"{prefix}.norm_cross", self.dim)
            scales.append("cross")
        yield from norm(f"{prefix}.norm1", self.dim)
        yield from norm(f"{prefix}.norm2", self.dim)
        if self.scaled:
            yield from ((f"{prefix}.layer_scale_{name}.scale", (self.dim,)) for name in scales)

    def _attention(
        self, prefix: str, kv_repeat: int, layer_norms: bool
    ) -> Iterator[tuple[str, Shape]]:
        inner = prefix if self.custom else f"{prefix}.mha"
        width = self.dim + 2 * (self.dim // self.heads) * (self.heads // kv_repeat)
        yield f"{inner}.in_proj_weight", (width, self.dim)
        if self.bias_attn:
            yield f"{inner}.in_proj_bias", (width,)
        yield from linear(f"{inner}.out_proj", self.dim, self.dim, self.bias_attn)
        if layer_norms:
            yield from norm(f"{prefix}.q_layer_norm", self.dim)
            yield from norm(f"{prefix}.k_layer_norm", self.dim)

    def _rotary(self, prefix: str) -> Iterator[tuple[str, Shape]]:
        """Give the buffers of the rotary embedding: one module, listed under each of its users."""
        half = self.dim // self.heads // 2
        yield f"{prefix}.frequencies", (half,)
        if self.xpos:
            yield f"{prefix}.xpos.decay_rates", (half,)


def few(settings: Settings, path: str, default: int | None = None) -> int:
    """Give a number of layers or codebooks.

    Raises:
        Unusable: when it is none, or more than any model has.
    """
    value = settings.count(path, default)
    if value > LONGEST:
        raise Unusable(f"{path} is {value}, too many to be true")
    return value


def spellings(shapes: Shapes) -> dict[str, str]:
    """Give the custom attention's names, which AudioCraft also reads into PyTorch's attention."""
    return {name.replace(".mha.", ".", 1): name for name in shapes if ".mha." in name}

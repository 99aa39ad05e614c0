"""The tensors of an EnCodec: SEANet encoder and decoder with a residual quantizer between.

Source: ``SEANetEncoder``, ``SEANetDecoder`` and ``EuclideanCodebook`` of AudioCraft 1.3.0; checked
against checkpoints that it wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stages.common.settings import Settings, Unusable
from stages.validate.keys import KeyModel, Shape, Shapes, codebooks, norm

NORMS = ("none", "weight_norm", "spectral_norm", "time_group_norm")
MANY = 100
"""Blocks, layers or codebooks of one kind; more means a config that was made to waste time."""


@dataclass(frozen=True)
class _SEANet:
    """What shapes one half of the autoencoder."""

    channels: int
    dimension: int
    n_filters: int
    n_residual_layers: int
    ratios: tuple[int, ...]
    norm: str
    kernel_size: int
    last_kernel_size: int
    residual_kernel_size: int
    true_skip: bool
    compress: int
    lstm: int
    outer_without_norm: int

    @classmethod
    def of(cls, settings: Settings, half: str) -> _SEANet:
        """Read the settings; those of ``seanet.<half>`` stand above those of ``seanet``."""

        def at(name: str) -> str:
            own = f"seanet.{half}.{name}"
            return own if settings.has(own) else f"seanet.{name}"

        def few(name: str, default: int, least: int = 0) -> int:
            value = settings.count(at(name), default, least=least)
            if value > MANY:
                raise Unusable(f"{at(name)} is {value}, too many to be true")
            return value

        ratios = settings.counts(at("ratios"), [8, 5, 4, 2], most=1024)
        if len(ratios) > 16:
            raise Unusable(f"{at('ratios')} has {len(ratios)} entries, too many to be true")
        norm_type = settings.get(at("norm"), "none")
        if norm_type not in NORMS:
            raise Unusable(f"{at('norm')} is {norm_type!r}, not one of {', '.join(NORMS)}")
        return cls(
            channels=settings.count(at("channels"), 1),
            dimension=settings.count(at("dimension"), 128),
            n_filters=settings.count(at("n_filters"), 32),
            n_residual_layers=few("n_residual_layers", 3),
            ratios=tuple(ratios),
            norm=norm_type,
            kernel_size=settings.count(at("kernel_size"), 7),
            last_kernel_size=settings.count(at("last_kernel_size"), 7),
            residual_kernel_size=settings.count(at("residual_kernel_size"), 3),
            true_skip=settings.flag(at("true_skip"), True),
            compress=settings.count(at("compress"), 2),
            lstm=few("lstm", 0),
            outer_without_norm=few("disable_norm_outer_blocks", 0),
        )

    @property
    def blocks(self) -> int:
        """First and last convolution, and one block for each ratio."""
        return len(self.ratios) + 2

    def norm_of(self, place: int) -> str:
        """Give the norm of the block that is ``place`` steps from the audio, which is 1."""
        return "none" if self.outer_without_norm >= place else self.norm

    def encoder(self) -> Iterator[tuple[str, Shape]]:
        """Give the encoder's tensors, from the audio to the latent."""
        position = _Positions("encoder.model")
        width = self.n_filters
        first = self.norm_of(1)
        yield from conv(position(), self.channels, width, self.kernel_size, first)
        for index, ratio in enumerate(reversed(self.ratios)):
            norm_type = self.norm_of(index + 2)
            for _ in range(self.n_residual_layers):
                yield from self._residual(position(), width, norm_type)
            position()
            yield from conv(position(), width, 2 * width, 2 * ratio, norm_type)
            width *= 2
        if self.lstm:
            yield from lstm(position(), width, self.lstm)
        position()
        last = "none" if self.outer_without_norm == self.blocks else self.norm
        yield from conv(position(), width, self.dimension, self.last_kernel_size, last)

    def decoder(self) -> Iterator[tuple[str, Shape]]:
        """Give the decoder's tensors, from the latent to the audio."""
        position = _Positions("decoder.model")
        width = self.n_filters * 2 ** len(self.ratios)
        first = "none" if self.outer_without_norm == self.blocks else self.norm
        yield from conv(position(), self.dimension, width, self.kernel_size, first)
        if self.lstm:
            yield from lstm(position(), width, self.lstm)
        for index, ratio in enumerate(self.ratios):
            norm_type = self.norm_of(self.blocks - index - 1)
            position()
            yield from transposed(position(), width, width // 2, 2 * ratio, norm_type)
            width //= 2
            for _ in range(self.n_residual_layers):
                yield from self._residual(position(), width, norm_type)
        position()
        last = self.norm_of(1)
        yield from conv(position(), self.n_filters, self.channels, self.last_kernel_size, last)

    def _residual(self, prefix: str, width: int, norm_type: str) -> Iterator[tuple[str, Shape]]:
        hidden = width // self.compress
        kernel = self.residual_kernel_size
        yield from conv(f"{prefix}.block.1", width, hidden, kernel, norm_type)
        yield from conv(f"{prefix}.block.3", hidden, width, 1, norm_type)
        if not self.true_skip:
            yield from conv(f"{prefix}.shortcut", width, width, 1, norm_type)


class _Positions:
    """Gives the places of a sequence one by one; activations take a place without tensors."""

    def __init__(self, prefix: str) -> None:
        self._prefix, self._next = prefix, 0

    def __call__(self) -> str:
        self._next += 1
        return f"{self._prefix}.{self._next - 1}"


def conv(
    prefix: str, inputs: int, outputs: int, kernel: int, norm_type: str
) -> Iterator[tuple[str, Shape]]:
    """Give the tensors of a convolution with its norm."""
    weight = (outputs, inputs, kernel)
    yield from _normed(f"{prefix}.conv", "conv", weight, outputs, (outputs, 1, 1), norm_type)


def transposed(
    prefix: str, inputs: int, outputs: int, kernel: int, norm_type: str
) -> Iterator[tuple[str, Shape]]:
    """Give the tensors of a transposed convolution: its weight starts with the inputs."""
    weight = (inputs, outputs, kernel)
    yield from _normed(f"{prefix}.convtr", "convtr", weight, outputs, (inputs, 1, 1), norm_type)


def _normed(
    prefix: str, name: str, weight: Shape, outputs: int, gain: Shape, norm_type: str
) -> Iterator[tuple[str, Shape]]:
    inner = f"{prefix}.{name}"
    yield f"{inner}.bias", (outputs,)
    if norm_type == "weight_norm":
        yield f"{inner}.weight_g", gain
        yield f"{inner}.weight_v", weight
    elif norm_type == "spectral_norm":
        yield f"{inner}.weight_orig", weight
        yield f"{inner}.weight_u", (outputs,)
        yield f"{inner}.weight_v", (weight[0] * weight[1] * weight[2] // outputs,)
    else:
        yield f"{inner}.weight", weight
    if norm_type == "time_group_norm":
        yield from norm(f"{prefix}.norm", outputs)


def lstm(prefix: str, width: int, layers: int) -> Iterator[tuple[str, Shape]]:
    """Give the tensors of PyTorch's LSTM."""
    for index in range(layers):
        yield f"{prefix}.lstm.weight_ih_l{index}", (4 * width, width)
        yield f"{prefix}.lstm.weight_hh_l{index}", (4 * width, width)
        yield f"{prefix}.lstm.bias_ih_l{index}", (4 * width,)
        yield f"{prefix}.lstm.bias_hh_l{index}", (4 * width,)


def key_model(settings: Settings) -> KeyModel:
    """Give the tensors that an EnCodec's config implies.

    Raises:
        Unusable: when the config says nothing that can be built.
    """
    shapes: Shapes = dict(_SEANet.of(settings, "encoder").encoder())
    shapes.update(_SEANet.of(settings, "decoder").decoder())
    if settings.get("encodec.quantizer") == "rvq":
        n_q, bins = settings.count("rvq.n_q", 8), settings.count("rvq.bins", 1024)
        if n_q > MANY:
            raise Unusable(f"rvq.n_q is {n_q}, too many to be true")
        width = _SEANet.of(settings, "encoder").dimension
        shapes.update(codebooks("quantizer", n_q, bins, width))
    return KeyModel(shapes)

"""SEANet, the convolutional autoencoder around an EnCodec's codebooks, with AudioCraft's names.

Names and arithmetic are those of ``audiocraft.modules``: ``seanet`` (in ``encoder.model.N`` the
activations count, too), ``conv`` (``conv.conv.weight_g`` is the length of a convolution's weight
within its norm within its padding) and ``lstm``. What they can do beyond this is refused
(`stages.miniature.limits`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """How large an autoencoder is.

    Attributes:
        dimension: floats per frame between encoder and decoder.
        filters: channels at the audio's own rate; each ratio doubles them.
        ratios: by how much the decoder raises the rate, step by step.
        kernel: steps that the first convolution of either half sees.
        last_kernel: steps that the last one sees.
        residual_kernel: steps that a residual block sees.
        compress: by how much a residual block is narrower inside.
        lstm: recurrent layers in each half.
    """

    dimension: int
    filters: int
    ratios: tuple[int, ...]
    kernel: int
    last_kernel: int
    residual_kernel: int
    compress: int
    lstm: int

    @classmethod
    def of(cls, cfg: DictConfig) -> Shape:
        """Read the shape from the config of a codec's run."""
        net = cfg.seanet
        return cls(
            dimension=net.dimension,
            filters=net.n_filters,
            ratios=tuple(net.ratios),
            kernel=net.kernel_size,
            last_kernel=net.last_kernel_size,
            residual_kernel=net.residual_kernel_size,
            compress=net.compress,
            lstm=net.lstm,
        )

    @property
    def hop(self) -> int:
        """Samples of audio per frame."""
        return math.prod(self.ratios)


class WeightNorm(nn.Module):
    """A convolution's weight as a direction and its length, and a bias."""

    def __init__(self, outputs: int, shape: tuple[int, int, int], summands: int) -> None:
        """Draw a weight of ``shape`` that keeps the scale of a sum of ``summands`` inputs.

        PyTorch's own choice would make a transposed convolution of stride 32 a hundred times
        softer, and training take as much longer.
        """
        super().__init__()
        weight = torch.randn(shape) / math.sqrt(summands)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.weight_g = nn.Parameter(torch.norm_except_dim(weight, 2, 0))
        self.weight_v = nn.Parameter(weight)

    @property
    def weight(self) -> Tensor:
        """The weight itself, through the function that PyTorch's own ``weight_norm`` calls."""
        return torch._weight_norm(self.weight_v, self.weight_g, 0)


class Conv(nn.Module):
    """A convolution whose output has a frame for each ``stride`` steps of its input."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        """Take the channels on both sides."""
        super().__init__()
        self.stride, self.padding = stride, kernel - stride
        inner = WeightNorm(outputs, (outputs, inputs, kernel), inputs * kernel)
        self.conv = nn.ModuleDict({"conv": inner})

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``x`` [batch, inputs, steps], padded with zeros, the odd one on the left."""
        right = self.padding // 2
        x = functional.pad(x, (self.padding - right, right + -x.shape[-1] % self.stride))
        inner: WeightNorm = self.conv["conv"]  # type: ignore[assignment]
        return functional.conv1d(x, inner.weight, inner.bias, self.stride)


class Upsampling(nn.Module):
    """A transposed convolution that gives ``stride`` steps for each of its input."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        """Take the channels on both sides."""
        super().__init__()
        self.stride = stride
        inner = WeightNorm(outputs, (inputs, outputs, 2 * stride), 2 * inputs)
        self.convtr = nn.ModuleDict({"convtr": inner})

    def forward(self, x: Tensor) -> Tensor:
        """Spread ``x`` [batch, inputs, steps] out, and trim it, the odd step on the left."""
        inner: WeightNorm = self.convtr["convtr"]  # type: ignore[assignment]
        y = functional.conv_transpose1d(x, inner.weight, inner.bias, self.stride)
        right = self.stride // 2
        return y[..., self.stride - right : y.shape[-1] - right]


class Residual(nn.Module):
    """Two convolutions beside a straight way."""

    def __init__(self, channels: int, kernel: int, compress: int) -> None:
        """Use ``channels / compress`` channels between the two."""
        super().__init__()
        hidden = channels // compress
        self.block = nn.Sequential(
            nn.ELU(), Conv(channels, hidden, kernel), nn.ELU(), Conv(hidden, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Refine ``x`` [batch, channels, steps]."""
        refined: Tensor = x + self.block(x)
        return refined


class Recurrence(nn.Module):
    """An LSTM beside a straight way."""

    def __init__(self, channels: int, layers: int) -> None:
        """Stack ``layers`` layers."""
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, layers)

    def forward(self, x: Tensor) -> Tensor:
        """Refine ``x`` [batch, channels, steps]."""
        steps = x.permute(2, 0, 1)
        refined: Tensor = (self.lstm(steps)[0] + steps).permute(1, 2, 0)
        return refined


class Stack(nn.Module):
    """Modules in a row, as ``model``."""

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        """Take them in order."""
        super().__init__()
        self.model = nn.Sequential(*modules)

    def forward(self, x: Tensor) -> Tensor:
        """Pass ``x`` through all of them."""
        y: Tensor = self.model(x)
        return y


def encoder(shape: Shape) -> Stack:
    """Build audio [batch, 1, samples] to frames [batch, dimension, samples / hop, rounded up]."""
    width = shape.filters
    modules: list[nn.Module] = [Conv(1, width, shape.kernel)]
    for ratio in reversed(shape.ratios):
        modules += [_residual(width, shape), nn.ELU(), Conv(width, 2 * width, 2 * ratio, ratio)]
        width *= 2
    modules += [Recurrence(width, shape.lstm), nn.ELU()]
    return Stack([*modules, Conv(width, shape.dimension, shape.last_kernel)])


def decoder(shape: Shape) -> Stack:
    """Build frames [batch, dimension, frames] to audio [batch, 1, frames * hop]."""
    width = shape.filters * 2 ** len(shape.ratios)
    modules: list[nn.Module] = [Conv(shape.dimension, width, shape.kernel)]
    modules += [Recurrence(width, shape.lstm)]
    for ratio in shape.ratios:
        modules += [nn.ELU(), Upsampling(width, width // 2, ratio)]
        width //= 2
        modules += [_residual(width, shape)]
    return Stack([*modules, nn.ELU(), Conv(width, 1, shape.last_kernel)])


def _residual(width: int, shape: Shape) -> Residual:
    return Residual(width, shape.residual_kernel, shape.compress)

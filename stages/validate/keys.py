"""Which tensors a config implies, and how those of a file differ from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Shape = tuple[int, ...]
Shapes = dict[str, Shape]


@dataclass(frozen=True)
class KeyModel:
    """The tensors that AudioCraft's builders make from a config.

    Attributes:
        shapes: every tensor with its shape.
        spellings: other names that AudioCraft reads as one of these, by the other name.
        open: prefixes below which nobody here knows what belongs, with the reason.
    """

    shapes: Mapping[str, Shape]
    spellings: Mapping[str, str] = field(default_factory=dict)
    open: Mapping[str, str] = field(default_factory=dict)

    def difference(self, found: Mapping[str, Shape]) -> Difference:
        """Compare with the tensors of a file."""
        wanted = dict(self.shapes)
        unexpected: list[str] = []
        misshapen: list[str] = []
        for name, shape in found.items():
            key = name if name in wanted else self.spellings.get(name, name)
            if key in wanted:
                if (right := wanted.pop(key)) != shape:
                    misshapen.append(f"{name} is {list(shape)}, not {list(right)}")
            elif not name.startswith(tuple(self.open)):
                unexpected.append(name)
        return Difference(tuple(wanted), tuple(unexpected), tuple(misshapen))


@dataclass(frozen=True)
class Difference:
    """Where a file's tensors are not those of the config.

    Attributes:
        missing: names that the config implies.
        unexpected: names that it does not.
        misshapen: one line for each tensor of another shape.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.misshapen)


def linear(prefix: str, inputs: int, outputs: int, bias: bool) -> Iterator[tuple[str, Shape]]:
    """Give the tensors of a linear layer."""
    yield f"{prefix}.weight", (outputs, inputs)
    if bias:
        yield f"{prefix}.bias", (outputs,)


def norm(prefix: str, width: int) -> Iterator[tuple[str, Shape]]:
    """Give the tensors of a layer or group norm."""
    yield f"{prefix}.weight", (width,)
    yield f"{prefix}.bias", (width,)


def codebooks(prefix: str, n_q: int, bins: int, width: int) -> Iterator[tuple[str, Shape]]:
    """Give the tensors of a residual quantizer's Euclidean codebooks."""
    for index in range(n_q):
        codebook = f"{prefix}.vq.layers.{index}._codebook"
        yield f"{codebook}.inited", (1,)
        yield f"{codebook}.cluster_size", (bins,)
        yield f"{codebook}.embed", (bins, width)
        yield f"{codebook}.embed_avg", (bins, width)

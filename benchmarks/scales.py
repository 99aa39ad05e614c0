"""The sizes of model that the benchmark can be run on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from omegaconf import DictConfig

from tests.xp_configs import LM, compose
from tests.xp_shapes import Shapes, lm_shapes


@dataclass(frozen=True)
class Model:
    """A text-conditioned MusicGen, as its xp.cfg describes it.

    Attributes:
        dim: the transformer's width.
        heads: of its attention.
        layers: how many it has.
    """

    dim: int
    heads: int
    layers: int

    @property
    def config(self) -> DictConfig:
        """Its xp.cfg."""
        return compose(
            LM,
            {
                "compression_model_checkpoint": "//pretrained/facebook/encodec_32khz",
                "dataset.segment_duration": 30,
                "transformer_lm.dim": self.dim,
                "transformer_lm.num_heads": self.heads,
                "transformer_lm.num_layers": self.layers,
                "transformer_lm.card": 2048,
            },
        )

    @property
    def shapes(self) -> Shapes:
        """The keys and shapes of its weights."""
        return lm_shapes(self.config)

    @property
    def parameters(self) -> int:
        """How many numbers its weights hold."""
        return sum(math.prod(shape) for shape in self.shapes.values())


@dataclass(frozen=True)
class Scale:
    """What one run of the benchmark measures.

    Attributes:
        name: one of `SCALES`.
        model: the model whose export is timed.
        larger: one of about four times its parameters, whose export must take no more memory.
        pushed: bytes of the file that is sent to a Hub.
        variants: jobs of a sweep.
    """

    name: str
    model: Model
    larger: Model
    pushed: int
    variants: int

    @property
    def bytes_needed(self) -> int:
        """The disk that the run takes at its worst, in bytes, with a little to spare."""
        # Best, model and two moments, then the export and a second one; the larger one has only
        # the best state and its export.
        timed, larger = 6 * 4 * self.model.parameters, 2 * 4 * self.larger.parameters
        return max(timed, larger) + 10_000_000

    @property
    def compares(self) -> bool:
        """Whether comparisons mean anything.

        In a small file times are those of the first imports, and no queue of blocks fills.
        """
        return self.name == "full"


SCALES: Mapping[str, Scale] = {
    scale.name: scale
    for scale in (
        Scale(
            "full",
            model=Model(1024, 16, 24),
            larger=Model(1536, 24, 48),
            pushed=2_000_000_000,
            variants=50,
        ),
        Scale(
            "small",
            model=Model(512, 8, 6),
            larger=Model(1024, 16, 6),
            pushed=100_000_000,
            variants=10,
        ),
        Scale(
            "tiny", model=Model(128, 4, 2), larger=Model(256, 4, 8), pushed=8_000_000, variants=2
        ),
    )
}
"""``full`` is MusicGen small and, as the larger one, MusicGen medium, in their true shapes."""

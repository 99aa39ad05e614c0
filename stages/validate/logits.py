"""What the model says: by transformers, by AudioCraft's definition, and before the export."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from stages.common.checks import Outcome, failed, passed, warned
from stages.common.settings import Settings, Unusable
from stages.common.unfit import ANOTHER_STATE
from stages.validate.decoder import Decoder
from stages.validate.definition import Definition
from stages.validate.weights import Weights

if TYPE_CHECKING:
    from torch import Tensor

BATCH, STEPS, WORDS = 2, 24, 6
"""Of the codes and conditions that a model is asked about."""

SEED = 20

LAYERS = 2
"""That are held against AudioCraft's definition: what is true of two is true of all."""

FAULT = "a fault of the pipeline, or of this version of transformers: please report it"

_LIKE_DEFINITION = 1e-4
"""Relative difference to AudioCraft's definition; float32 alone makes about 1e-6."""

TOLERANCE = {"float32": 1e-4, "float16": 0.01, "bfloat16": 0.08}
"""Relative difference that a cast may make: some ten times its rounding error."""


@dataclass(frozen=True)
class Shape:
    """What a question to a model must fit.

    Attributes:
        codebooks: streams of tokens.
        cardinality: tokens of one codebook, the special token not counted.
        dim: floats per position.
        heads: of each attention.
        layers: of the transformer.
        custom: whether the attention is spelt without ``.mha``.
        conditioned: whether there is cross-attention.
    """

    codebooks: int
    cardinality: int
    dim: int
    heads: int
    layers: int
    custom: bool
    conditioned: bool

    @classmethod
    def of(cls, settings: Settings, tensors: Collection[str]) -> Shape:
        """Read the sizes from xp.cfg, and the spelling from the tensors' names.

        Raises:
            Unusable: when xp.cfg does not say them.
        """
        lm = "transformer_lm"
        return cls(
            codebooks=settings.count(f"{lm}.n_q"),
            cardinality=settings.count(f"{lm}.card"),
            dim=settings.count(f"{lm}.dim"),
            heads=settings.count(f"{lm}.num_heads"),
            layers=settings.count(f"{lm}.num_layers"),
            custom=not any(".mha." in name for name in tensors),
            conditioned=any(".cross_attention." in name for name in tensors),
        )


@dataclass(frozen=True)
class Question:
    """Seeded codes and conditions, the same on every machine.

    Attributes:
        codes: int64 [batch, codebooks, steps], the special token among them.
        condition: float32 [batch, words, dim], or ``None``.
    """

    codes: Tensor
    condition: Tensor | None

    @classmethod
    def of(cls, shape: Shape, device: str) -> Question:
        """Draw what fits a model."""
        import torch

        draws = torch.Generator().manual_seed(SEED)
        size = (BATCH, shape.codebooks, STEPS)
        codes = torch.randint(0, shape.cardinality + 1, size, generator=draws)
        condition = torch.randn(BATCH, WORDS, shape.dim, generator=draws)
        return cls(codes.to(device), condition.to(device) if shape.conditioned else None)

    def ask(self, model: Any) -> Tensor:
        """Give a transformers model's logits, float32 [batch, codebooks, steps, cardinality]."""
        import torch

        with torch.inference_mode():
            found = model(
                input_ids=self.codes.flatten(0, 1),
                encoder_hidden_states=self.condition,
                use_cache=False,
            ).logits
            answer: Tensor = found.view(*self.codes.shape, -1).cpu()
        return answer


@dataclass(frozen=True)
class Difference:
    """How far two answers lie apart.

    Attributes:
        largest: the largest difference of two logits.
        relative: the root mean square of the differences, by that of the first answer.
    """

    largest: float
    relative: float

    @classmethod
    def of(cls, first: Tensor, second: Tensor) -> Difference:
        """Compare two answers.

        Raises:
            Unusable: when one of them is not all numbers.
        """
        if not (first.isfinite().all() and second.isfinite().all()):
            raise Unusable("there is NaN or Inf among the logits")
        apart = (second.double() - first.double()).square()
        scale = first.double().square().mean().clamp_min(1e-300)
        return cls(float(apart.max().sqrt()), float((apart.mean() / scale).sqrt()))


class Trial:
    """One exported model and what it is asked."""

    def __init__(self, decoder: Decoder, shape: Shape, weights: Weights) -> None:
        """Take the mapping, the sizes and the exported weights."""
        self.decoder, self.shape, self.weights = decoder, shape, weights

    @cached_property
    def question(self) -> Question:
        """What all are asked."""
        return Question.of(self.shape, self.weights.device)

    @cached_property
    def answer(self) -> Tensor:
        """The exported model's logits."""
        return self.question.ask(self.decoder.streamed(self.weights))

    def runs(self, accepted: bool) -> Outcome:
        """Load the model strictly and see that its logits are numbers.

        Args:
            accepted: whether the export was told to accept NaN and Inf.
        """
        strange = int((~self.answer.isfinite()).sum())
        scale = float(self.answer.double().square().mean().sqrt()) if not strange else None
        figures = {
            "codes": [BATCH, self.shape.codebooks, STEPS],
            "seed": SEED,
            "device": self.weights.device,
            "root_mean_square": scale,
        }
        if scale is None:
            what = f"{strange} of {self.answer.numel()} logits are NaN or Inf."
            return (warned if accepted else failed)(what, ANOTHER_STATE, figures)
        return passed(
            f"transformers' decoder has a place for every tensor; its logits are numbers, of "
            f"{scale:.3g} on average",
            figures,
        )

    def definition(self) -> Outcome:
        """Hold transformers' first layers against AudioCraft's own definition of them."""
        import torch

        shape, layers = self.shape, min(self.shape.layers, LAYERS)
        small = self.decoder.cut(layers)
        own = Definition(self.weights, shape.codebooks, shape.heads, layers, shape.custom)
        with torch.inference_mode():
            wanted = own.logits(self.question.codes, self.question.condition).cpu()
        found = Difference.of(wanted, self.question.ask(small.streamed(self.weights)))
        figures = {"layers": layers, **vars(found)}
        told = f"relative difference {found.relative:.2g}, largest {found.largest:.2g}"
        if not found.relative <= _LIKE_DEFINITION:
            return failed(
                f"Transformers computes something else than AudioCraft: {told}.", FAULT, figures
            )
        return passed(f"as AudioCraft defines it, {told}, over {layers} layers", figures)

    def source(self, source: Weights, dtype: str, remedy: str) -> Outcome:
        """Compare with what the training state answers."""
        before = self.question.ask(self.decoder.streamed(source))
        found, kept = Difference.of(before, self.answer), dtype not in TOLERANCE
        allowed = 0.0 if kept else TOLERANCE[dtype]
        figures = {**vars(found), "allowed_relative": allowed}
        told = f"relative difference {found.relative:.2g}, largest {found.largest:.2g}"
        if not found.relative <= allowed:
            return failed(f"The export does not answer as its source: {told}.", remedy, figures)
        exactly = "exactly those of its source" if kept else f"those of its source, {told}"
        return passed(f"{before.numel():,} logits are {exactly}", figures)

"""The decoder of a model of transformers, from AudioCraft's language model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from omegaconf import DictConfig

from stages.common.expressible import Conditions, model_obstacles
from stages.common.musicgen_names import CONDITIONERS, conditioning_parts, decoder_parts
from stages.common.settings import LM_NODES, Settings
from stages.common.stored import Tensor
from stages.export_transformers.inexpressible import InexpressibleError, able
from stages.export_transformers.pieces import Piece, pieces_of

_DECODER = "decoder."


@dataclass(frozen=True)
class LanguageModel:
    """A language model that transformers can express.

    Attributes:
        settings: of its xp.cfg.
        conditions: how it is conditioned.
        dtype: of most of its tensors.
        pieces: its tensors by transformers' names inside the whole model.
        text_width: floats that it takes for a word.
    """

    settings: Settings
    conditions: Conditions
    dtype: str
    pieces: Mapping[str, Piece]
    text_width: int

    @classmethod
    def of(cls, config: DictConfig, tensors: Mapping[str, Tensor]) -> LanguageModel:
        """Map a model.

        Raises:
            InexpressibleError: with all that transformers cannot express of it.
        """
        settings = Settings.of(config, LM_NODES)
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        with able("the language model"):
            if obstacles := model_obstacles(settings):
                raise InexpressibleError(obstacles)
            conditions = Conditions.of(settings)
            text = str(conditions.text)
            decoder = decoder_parts(shapes)
            projections = conditioning_parts(shapes, text, conditions.chroma)
            projection = f"{CONDITIONERS}{text}.output_proj.weight"
            if projection not in shapes:
                raise InexpressibleError([f"there is no {projection}"])
        return cls(
            settings,
            conditions,
            Counter(tensor.dtype for tensor in tensors.values()).most_common(1)[0][0],
            pieces_of(tensors, decoder, _DECODER) | pieces_of(tensors, projections, ""),
            shapes[projection][1],
        )

    @property
    def text_encoder(self) -> str:
        """The name of the T5 that it was trained with."""
        return str(self.settings.need(f"conditioners.{self.conditions.text}.t5.name"))

    @property
    def kind(self) -> str:
        """The class of transformers that loads it."""
        title = "MusicgenMelody" if self.conditions.chroma else "Musicgen"
        return f"{title}ForConditionalGeneration"

    @property
    def cardinality(self) -> int:
        """How many codes a codebook has."""
        return self.settings.count("transformer_lm.card")

    @property
    def codebooks(self) -> int:
        """How many codebooks its codec must have."""
        return self.settings.count("transformer_lm.n_q") // (2 if self.settings.interleaved else 1)

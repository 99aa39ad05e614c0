"""What a model makes of a text: the T5 of its config, where it is at hand, and its own projection.

AudioCraft keeps T5 out of its checkpoints. It is taken from a folder that the request names, or
from the Hub's cache on this machine; nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from stages.common.settings import Settings, Unusable
from stages.validate.conditioners import PREFIX
from stages.validate.silence import silent
from stages.validate.weights import Weights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TextEncoder:
    """The text conditioner of a model.

    Attributes:
        name: of the conditioner.
        model: the T5 that its config names.
        place: where to take it from: a folder, or the same name.
        weights: of the language model.
    """

    name: str
    model: str
    place: str
    weights: Weights

    @classmethod
    def of(cls, settings: Settings, place: str | None, weights: Weights) -> TextEncoder | None:
        """Find the text conditioner of a config; ``None`` where it has none."""
        for name, model in settings.conditioners.items():
            if model == "t5" and name in settings.names("fuser.cross"):
                t5 = str(settings.need(f"conditioners.{name}.t5.name"))
                return cls(name, t5, place or t5, weights)
        return None

    def condition(self, text: str) -> Tensor:
        """Give the condition for one text: float32 [1, words, dim].

        Raises:
            Unusable: when T5 is not at hand, or another one than the model was trained with.
        """
        import torch
        from torch.nn import functional

        tokenizer, encoder = self._loaded
        with torch.inference_mode():
            inputs = tokenizer([text], return_tensors="pt", padding=True).to(self.weights.device)
            states = encoder(**inputs).last_hidden_state
            at = f"{PREFIX}.{self.name}.output_proj"
            weight, bias = self.weights(f"{at}.weight"), self.weights(f"{at}.bias")
            if weight.shape[1] != states.shape[-1]:
                raise Unusable(
                    f"the text encoder gives {states.shape[-1]} floats a word, the model was "
                    f"trained with {weight.shape[1]} ({self.model})"
                )
            made: Tensor = functional.linear(states, weight, bias)
            mask: Tensor = inputs["attention_mask"]
            return made * mask[..., None]

    @cached_property
    def _loaded(self) -> Sequence[Any]:
        from transformers import AutoTokenizer, T5EncoderModel

        try:
            with silent():
                tokenizer = AutoTokenizer.from_pretrained(self.place, local_files_only=True)
                encoder: Any = T5EncoderModel.from_pretrained(self.place, local_files_only=True)
        except (OSError, ValueError, ImportError) as error:
            where = "the Hub's cache" if self.place == self.model else "validate.text_encoder"
            raise Unusable(f"the text encoder {self.model} is not in {where}") from error
        return tokenizer, encoder.float().eval().to(self.weights.device)

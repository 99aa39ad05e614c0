"""The checks that run the language model: in transformers, without AudioCraft."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from pipeline.stage import Facts
from stages.common.checks import Outcome
from stages.common.settings import Unusable
from stages.common.unfit import Accepted
from stages.validate import model_checks
from stages.validate.decoder import Decoder
from stages.validate.logits import Shape, Trial
from stages.validate.models import Model, Row
from stages.validate.weights import Weights


class Trials:
    """The exported language model and what it is put through."""

    def __init__(self, model: Model, export: Facts, device: str) -> None:
        """Take the model, the facts of its export, and what to run it on."""
        self.model, self._device = model, device
        self._dtype = str(export.get("dtype", "keep"))
        self._accepted = bool(Accepted.of(export).names)

    def rows(self) -> Iterator[Row]:
        """Give the checks of ``validate=quick``."""
        yield "lm.runs", lambda: self.trial.runs(self._accepted)
        yield "lm.definition", lambda: self.trial.definition()
        yield "lm.logits", self._logits

    @cached_property
    def trial(self) -> Trial:
        """The model, with what it is asked.

        Raises:
            Unusable: when it cannot be run; says why.
        """
        file, settings = self.model.file, self.model.settings
        if told := model_checks.deviation(file, settings):
            raise Unusable(f"not run: {told}")
        decoder = Decoder.of(settings, file.shapes)
        shape = Shape.of(settings, file.shapes)
        return Trial(decoder, shape, Weights(file.weights, device_of(self._device)))

    def _logits(self) -> Outcome:
        source = Weights(self.model.origin.state.tensors, device_of(self._device))
        return self.trial.source(source, self._dtype, self.model.file.remedy)


def device_of(asked: str) -> str:
    """Give what to run on: a GPU where there is one, unless another was asked for."""
    import torch

    return "cuda" if asked != "cpu" and torch.cuda.is_available() else "cpu"

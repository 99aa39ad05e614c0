"""A language model in transformers' decoder, built without memory and filled a layer at a time.

Every weight has its place and every place its weight, or nothing is run. A layer is read when it is
its turn and let go of afterwards. Ten layers of 1536 floats, 1.5 GB of weights, took 0.6 GB with
torch and transformers themselves, and no more from the seventh layer on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.common.checks import listed
from stages.common.expressible import decoder_obstacles
from stages.common.musicgen_config import decoder_config
from stages.common.musicgen_names import decoder_parts
from stages.common.renaming import Part, Shapes
from stages.common.settings import Settings, Unusable
from stages.validate.weights import Weights

_LAYER = re.compile(r"model\.decoder\.layers\.(\d+)\.")


@dataclass(frozen=True)
class Decoder:
    """Where the weights of one architecture belong.

    Attributes:
        config: transformers' config of it, as `decoder_config` gives it.
        parts: what each of its weights is made of, by transformers' name.
    """

    config: Mapping[str, Any]
    parts: Mapping[str, Part]

    @classmethod
    def of(cls, settings: Settings, shapes: Shapes) -> Decoder:
        """Find the places of a model's tensors.

        Raises:
            Unusable: when transformers cannot express the model; says why.
        """
        if obstacles := decoder_obstacles(settings):
            raise Unusable(f"transformers cannot express it: {'; '.join(obstacles)}")
        return cls(decoder_config(settings), decoder_parts(shapes))

    def cut(self, layers: int) -> Decoder:
        """Give the model of the first layers alone."""
        kept = {
            name: part
            for name, part in self.parts.items()
            if not (found := _LAYER.match(name)) or int(found[1]) < layers
        }
        return Decoder({**self.config, "num_hidden_layers": layers}, kept)

    def streamed(self, weights: Weights) -> Any:
        """Give a model whose layers come when they are run, and go again.

        Raises:
            Unusable: when a place has no weight, or a weight no place.
        """
        import torch

        model = self._without_layers(weights)
        for prefix, layer in _layers(model):

            def fill(module: Any, _: Any, prefix: str = prefix) -> None:
                self._fill(module, prefix, weights)

            def let_go(module: Any, *_: Any) -> None:
                # Measured at 1536 floats: ``to("meta")`` let the heap grow by 54 MB a layer.
                empty = {
                    n: torch.empty_like(t, device="meta") for n, t in module.state_dict().items()
                }
                module.load_state_dict(empty, strict=True, assign=True)

            layer.register_forward_pre_hook(fill)
            layer.register_forward_hook(let_go)
        return model

    def whole(self, weights: Weights) -> Any:
        """Give a model with all its weights in memory, in float32.

        Raises:
            Unusable: when a place has no weight, or a weight no place.
        """
        model = self._without_layers(weights)
        for prefix, layer in _layers(model):
            self._fill(layer, prefix, weights)
        return model

    def _without_layers(self, weights: Weights) -> Any:
        """Build the model with all but its layers filled."""
        import torch
        import transformers

        config = transformers.AutoConfig.for_model(**self.config)
        # Imported before: what torch 2.6 brings along then computes, which meta tensors cannot.
        kind = getattr(transformers, self.config["architectures"][0])
        with torch.device("meta"):
            model: Any = kind(config)
        self._demand_all(model.state_dict().keys(), weights)
        positions = model.model.decoder.embed_positions
        made = type(positions)(positions.num_positions, positions.embedding_dim)
        model.model.decoder.embed_positions = made.to(weights.device)
        inside = {id(module) for _, layer in _layers(model) for module in layer.modules()}
        for name, module in model.named_modules():
            if (
                id(module) not in inside
                and next(module.parameters(recurse=False), None) is not None
            ):
                self._fill(module, f"{name}.", weights)
        return model.eval()

    def _demand_all(self, places: Any, weights: Weights) -> None:
        """Make sure that all weights and all places have found each other."""
        if lost := sorted(places ^ self.parts.keys()):
            raise Unusable(f"transformers' decoder and the mapping differ in {listed(lost)}")
        needed = {part.name for part in self.parts.values()}
        if lost := sorted(needed - weights.tensors.keys()):
            raise Unusable(f"there are no weights {listed(lost)}")

    def _fill(self, module: Any, prefix: str, weights: Weights) -> None:
        """Give a module its weights; of equal parts of one tensor, as views of it."""
        names = sorted(module.state_dict(), key=lambda name: self.parts[prefix + name].name)
        state = {name: weights.part(self.parts[prefix + name]) for name in names}
        module.load_state_dict(state, strict=True, assign=True)


def _layers(model: Any) -> list[tuple[str, Any]]:
    """Give the layers with the prefixes of their weights' names."""
    return [(f"model.decoder.layers.{i}.", m) for i, m in enumerate(model.model.decoder.layers)]

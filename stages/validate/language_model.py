"""The tensors of AudioCraft's autoregressive language model, and of MAGNeT's, as it builds them.

The two have the same: what MAGNeT adds, the masks of its attention, is no part of a state.

Source: ``LMModel`` and ``MagnetLMModel`` of AudioCraft 1.3.0; checked against checkpoints that it
wrote.
"""

from __future__ import annotations

from stages.common.settings import Settings
from stages.validate import conditioners
from stages.validate.keys import KeyModel, Shapes, linear, norm
from stages.validate.transformer import Layer, few, spellings


def key_model(settings: Settings) -> KeyModel:
    """Give the tensors that an LM's config implies.

    Raises:
        Unusable: when the config does not say enough, or nothing that can be built.
    """
    layer = Layer.of(settings)
    shapes: Shapes = dict(conditioners.shapes(settings, layer.dim))
    n_q, card = few(settings, "transformer_lm.n_q"), settings.count("transformer_lm.card")
    bias = settings.flag("transformer_lm.bias_proj", True)
    for index in range(n_q):
        shapes[f"emb.{index}.weight"] = (card + 1, layer.dim)
        shapes.update(linear(f"linears.{index}", layer.dim, card, bias))
    shapes.update(layer.stack("transformer", few(settings, "transformer_lm.num_layers")))
    if settings.flag("transformer_lm.norm_first", False):
        shapes.update(norm("out_norm", layer.dim))
    return KeyModel(shapes, spellings(shapes), conditioners.open_prefixes(settings))

"""The tensors of JASCO's flow matching model, as AudioCraft's builders make them.

Source: ``FlowMatchingModel`` and ``UnetTransformer`` of AudioCraft's repository, read and not run:
no version on PyPI has them.
"""

from __future__ import annotations

from stages.common.settings import Settings
from stages.validate import conditioners
from stages.validate.keys import KeyModel, Shapes, linear, norm
from stages.validate.transformer import Layer, few, spellings

_CONDITIONS = ("chords_dim", "drums_dim", "melody_dim")
"""Floats that each condition in time adds to the latents, nothing where there is none."""


def key_model(settings: Settings) -> KeyModel:
    """Give the tensors that the config of a flow matching model implies.

    Raises:
        Unusable: when the config does not say enough, or nothing that can be built.
    """
    node, layer = "transformer_lm", Layer.of(settings)
    dim, layers = layer.dim, few(settings, f"{node}.num_layers")
    flow = settings.count(f"{node}.flow_dim", 128)
    beside = sum(settings.count(f"{node}.{name}", 0, least=0) for name in _CONDITIONS)
    time = settings.count(f"{node}.time_embedding_dim", 128)
    shapes: Shapes = dict(conditioners.shapes(settings, dim))
    shapes.update(linear("emb", flow + beside, dim, bias=False))
    shapes.update(layer.stack("transformer", layers))
    if settings.flag(f"{node}.skip_connections", False):
        for index in range(layers // 2):
            shapes.update(linear(f"transformer.skip_projections.{index}", 2 * dim, dim, bias=True))
    if settings.flag(f"{node}.norm_first", False):
        shapes.update(norm("out_norm", dim))
    shapes.update(linear("linear", dim, flow, settings.flag(f"{node}.bias_proj", True)))
    shapes.update(linear("temb.dense.0", time, 4 * time, bias=True))
    shapes.update(linear("temb.dense.1", 4 * time, 4 * time, bias=True))
    shapes.update(linear("temb_proj", 4 * time, dim, bias=True))
    return KeyModel(shapes, spellings(shapes), conditioners.open_prefixes(settings))

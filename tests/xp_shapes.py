"""The keys and shapes of AudioCraft's models, as a small xp.cfg implies them."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig

Shapes = dict[str, tuple[int, ...]]
T5_WIDTH = 768


def lm_shapes(config: DictConfig) -> Shapes:
    """Give the keys and shapes of AudioCraft's LMModel."""
    lm = config.transformer_lm
    dim, hidden = lm.dim, lm.dim * lm.hidden_scale
    shapes: Shapes = {}
    for name, node in (config.conditioners or {}).items():
        at = f"condition_provider.conditioners.{name}"
        chroma = node.get("chroma_stem")
        width = chroma.n_chroma if chroma else T5_WIDTH
        shapes |= {f"{at}.output_proj.weight": (dim, width), f"{at}.output_proj.bias": (dim,)}
        if chroma:
            shapes |= {f"{at}.chroma.spec.window": (2**chroma.radix2_exp,)}
    shapes |= {f"emb.{level}.weight": (lm.card + 1, dim) for level in range(lm.n_q)}
    attentions = ["self_attn", *(["cross_attention"] if config.fuser.cross else [])]
    for layer in range(lm.num_layers):
        at = f"transformer.layers.{layer}"
        for attention in attentions:
            inner = f"{at}.{attention}" if lm.custom else f"{at}.{attention}.mha"
            norms = ["norm1", "norm2"] if attention == "self_attn" else ["norm_cross"]
            shapes |= {
                f"{inner}.in_proj_weight": (3 * dim, dim),
                f"{inner}.out_proj.weight": (dim, dim),
            }
            if attention == "self_attn":
                shapes |= {
                    f"{at}.linear1.weight": (hidden, dim),
                    f"{at}.linear2.weight": (dim, hidden),
                }
            for norm in norms:
                shapes |= {f"{at}.{norm}.weight": (dim,), f"{at}.{norm}.bias": (dim,)}
    shapes |= {"out_norm.weight": (dim,), "out_norm.bias": (dim,)}
    return shapes | {f"linears.{level}.weight": (lm.card, dim) for level in range(lm.n_q)}


def encodec_shapes(config: DictConfig) -> Shapes:
    """Give the keys and shapes of AudioCraft's EncodecModel: SEANet, then residual codebooks."""
    net, rvq = config.seanet, config.rvq
    widths = [net.n_filters * 2**step for step in range(len(net.ratios) + 1)]
    last = 3 * len(net.ratios) + 1
    shapes = _conv("encoder.model.0.conv.conv", net.channels, net.n_filters, net.kernel_size)
    for step, ratio in enumerate(reversed(net.ratios)):
        at = 3 * step + 1
        shapes |= _residual(f"encoder.model.{at}", widths[step], net)
        down = f"encoder.model.{at + 2}.conv.conv"
        shapes |= _conv(down, widths[step], widths[step + 1], ratio * 2)
    shapes |= _lstm(f"encoder.model.{last}.lstm", widths[-1], net.lstm)
    end = f"encoder.model.{last + 2}.conv.conv"
    shapes |= _conv(end, widths[-1], net.dimension, net.last_kernel_size)
    shapes |= _conv("decoder.model.0.conv.conv", net.dimension, widths[-1], net.kernel_size)
    shapes |= _lstm("decoder.model.1.lstm", widths[-1], net.lstm)
    for step, ratio in enumerate(net.ratios):
        at, wide, narrow = 3 * step + 3, widths[-1 - step], widths[-2 - step]
        up = f"decoder.model.{at}.convtr.convtr"
        shapes |= {
            f"{up}.bias": (narrow,),
            f"{up}.weight_g": (wide, 1, 1),
            f"{up}.weight_v": (wide, narrow, ratio * 2),
        }
        shapes |= _residual(f"decoder.model.{at + 1}", narrow, net)
    end = f"decoder.model.{last + 2}.conv.conv"
    shapes |= _conv(end, net.n_filters, net.channels, net.last_kernel_size)
    for level in range(rvq.n_q):
        book = f"quantizer.vq.layers.{level}._codebook"
        shapes |= {
            f"{book}.inited": (1,),
            f"{book}.cluster_size": (rvq.bins,),
            f"{book}.embed": (rvq.bins, net.dimension),
            f"{book}.embed_avg": (rvq.bins, net.dimension),
        }
    return shapes


def _conv(name: str, inputs: int, outputs: int, kernel: int) -> Shapes:
    return {
        f"{name}.bias": (outputs,),
        f"{name}.weight_g": (outputs, 1, 1),
        f"{name}.weight_v": (outputs, inputs, kernel),
    }


def _residual(name: str, width: int, net: Any) -> Shapes:
    hidden = width // net.compress
    first = _conv(f"{name}.block.1.conv.conv", width, hidden, net.residual_kernel_size)
    return first | _conv(f"{name}.block.3.conv.conv", hidden, width, 1)


def _lstm(name: str, width: int, layers: int) -> Shapes:
    shapes: Shapes = {}
    for layer in range(layers):
        shapes |= {
            f"{name}.{kind}_l{layer}": (4 * width, width) for kind in ("weight_ih", "weight_hh")
        }
        shapes |= {f"{name}.{kind}_l{layer}": (4 * width,) for kind in ("bias_ih", "bias_hh")}
    return shapes

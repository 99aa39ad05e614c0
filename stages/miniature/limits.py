"""What the miniature cannot do otherwise, so that no config of its promises another model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

FIXED: Mapping[str, Any] = {
    "solver": "musicgen",
    "device": "cpu",
    "dtype": "float32",
    "autocast": False,
    "continue_from": None,
    "fsdp.use": False,
    "lm_model": "transformer_lm",
    "transformer_lm.activation": "gelu",
    "transformer_lm.norm": "layer_norm",
    "transformer_lm.norm_first": True,
    "transformer_lm.positional_embedding": "sin",
    "transformer_lm.causal": True,
    "transformer_lm.custom": True,
    "transformer_lm.memory_efficient": False,
    "transformer_lm.bias_ff": False,
    "transformer_lm.bias_attn": False,
    "transformer_lm.bias_proj": False,
    "transformer_lm.dropout": 0.0,
    "transformer_lm.attention_dropout": None,
    "transformer_lm.past_context": None,
    "transformer_lm.layer_scale": None,
    "transformer_lm.qk_layer_norm": False,
    "transformer_lm.qk_layer_norm_cross": False,
    "transformer_lm.kv_repeat": 1,
    "codebooks_pattern.modeling": "delay",
    "codebooks_pattern.delay.flatten_first": 0,
    "codebooks_pattern.delay.empty_initial": 0,
    "interleave_stereo_codebooks.use": False,
    "fuser.cross": ["description"],
    "fuser.sum": [],
    "fuser.prepend": [],
    "fuser.input_interpolate": [],
    "fuser.cross_attention_pos_emb": False,
    "conditioners.description.model": "t5",
    "conditioners.description.t5.finetune": False,
    "optim.optimizer": "adamw",
    "optim.ema.use": True,
    "schedule.lr_scheduler": "cosine",
    "checkpoint.save_last": True,
    "checkpoint.keep_last": None,
    "checkpoint.keep_every_states": None,
}
"""The one value of each key that the training code follows."""


def demand_known(cfg: DictConfig) -> None:
    """Refuse a config that asks for anything else.

    Raises:
        ValueError: naming the first key whose value would not be followed.
    """
    for key, known in FIXED.items():
        asked = OmegaConf.select(cfg, key)
        if asked != known:
            raise ValueError(f"{key}={asked} is beyond the miniature, which knows only {known}")
    delays = cfg.codebooks_pattern.delay.delays
    if len(delays) != cfg.transformer_lm.n_q:
        raise ValueError(f"codebooks_pattern.delay.delays={delays}: one per codebook is needed")

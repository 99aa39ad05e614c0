"""What the miniature cannot do otherwise, so that no config of its promises another model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

_ALL: Mapping[str, Any] = {
    "device": "cpu",
    "dtype": "float32",
    "autocast": False,
    "continue_from": None,
    "channels": 1,
    "fsdp.use": False,
    "optim.optimizer": "adamw",
    "schedule.lr_scheduler": "cosine",
    "checkpoint.save_last": True,
    "checkpoint.keep_last": None,
    "checkpoint.keep_every_states": None,
}
FIXED: Mapping[str, Mapping[str, Any]] = {
    "musicgen": {
        **_ALL,
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
        "compression_model_n_q": None,
        "interleave_stereo_codebooks.use": False,
        "fuser.cross": ["description"],
        "fuser.sum": [],
        "fuser.prepend": [],
        "fuser.input_interpolate": [],
        "fuser.cross_attention_pos_emb": False,
        "conditioners.description.model": "t5",
        "conditioners.description.t5.finetune": False,
        "optim.ema.use": True,
    },
    "compression": {
        **_ALL,
        "compression_model": "encodec",
        "encodec.autoencoder": "seanet",
        "encodec.quantizer": "rvq",
        "encodec.causal": False,
        "encodec.renormalize": False,
        "seanet.activation": "ELU",
        "seanet.activation_params": {"alpha": 1.0},
        "seanet.norm": "weight_norm",
        "seanet.norm_params": {},
        "seanet.n_residual_layers": 1,
        "seanet.pad_mode": "constant",
        "seanet.true_skip": True,
        "seanet.disable_norm_outer_blocks": 0,
        "seanet.encoder": {},
        "seanet.decoder.trim_right_ratio": 1.0,
        "seanet.decoder.final_activation": None,
        "rvq.q_dropout": False,
        "rvq.kmeans_init": True,
        "rvq.threshold_ema_dead_code": 0,
        "rvq.orthogonal_reg_weight": 0.0,
        "adversarial.adversaries": [],
        "mrstft.normalized": False,
        "optim.ema.use": False,
    },
}
"""By solver, the one value of each key that the training code follows."""


def demand_known(cfg: DictConfig) -> None:
    """Refuse a config that asks for anything else.

    Raises:
        ValueError: naming the first key whose value would not be followed.
    """
    if cfg.solver not in FIXED:
        raise ValueError(f"solver={cfg.solver} is beyond the miniature: {', '.join(FIXED)}")
    for key, known in FIXED[cfg.solver].items():
        asked = OmegaConf.select(cfg, key)
        if asked != known:
            raise ValueError(f"{key}={asked} is beyond the miniature, which knows only {known}")
    if cfg.solver == "compression" and cfg.mrstft.win_lengths != cfg.mrstft.n_ffts:
        raise ValueError(f"mrstft.win_lengths={cfg.mrstft.win_lengths}: those of n_ffts are needed")
    if cfg.solver == "musicgen":
        delays = cfg.codebooks_pattern.delay.delays
        if len(delays) != cfg.transformer_lm.n_q:
            raise ValueError(f"codebooks_pattern.delay.delays={delays}: one per codebook is needed")

"""The xp.cfg of small experiments: what AudioCraft's builders read, and what nobody publishes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

SHARED = """
device: cpu
dtype: float32
autocast: false
autocast_dtype: float16
seed: 2036
continue_from: null
execute_only: null
execute_inplace: false
efficient_attention_backend: torch
num_threads: 1
mp_start_method: forkserver
label: null
logging: {level: INFO, log_updates: 10, log_tensorboard: false, log_wandb: true}
tensorboard: {with_media_logging: false, name: null, sub_dir: null}
wandb: {with_media_logging: true, project: secret-project, name: null, group: someone}
slurm: {gpus: 4, partition: secret-partition, setup: ['source /home/someone/env'], exclude: ''}
dora:
  dir: /checkpoint/${oc.env:USER}/experiments/audiocraft/outputs
  exclude: [device, 'wandb.*', num_threads]
  git_save: true
datasource:
  max_sample_rate: 44100
  max_channels: 2
  train: /datasets/secret/train
  valid: /datasets/secret/valid
  evaluate: /datasets/secret/evaluate
  generate: /datasets/secret/generate
fsdp: {use: false, param_dtype: float16, reduce_dtype: float32, sharding_strategy: shard_grad_op}
dataset:
  batch_size: 2
  num_workers: 0
  segment_duration: 1
  num_samples: null
  min_segment_ratio: 0.5
  train: {num_samples: 8, shuffle: true, shuffle_seed: 0}
  valid: {num_samples: 4}
  evaluate: {num_samples: 2}
  generate: {num_samples: 2, return_info: true}
checkpoint: {save_last: true, save_every: 1, keep_last: 10, keep_every_states: null}
generate:
  every: 25
  path: samples
  audio: {format: wav, strategy: peak, sample_rate: '${sample_rate}', loudness_headroom_db: 14}
  lm: {use_sampling: true, temp: 1.0, top_k: 250, top_p: 0.0, gen_duration: null}
evaluate: {every: 25, num_workers: 0, truncate_audio: null}
optim:
  epochs: 2
  updates_per_epoch: 2
  lr: 0.0001
  optimizer: adamw
  adam: {betas: [0.9, 0.95], weight_decay: 0.1, eps: 1.0e-08}
  ema: {use: true, updates: 1, device: '${device}', decay: 0.99}
  max_norm: 1.0
schedule: {lr_scheduler: cosine, cosine: {warmup: 1, lr_min_ratio: 0.0, cycle_length: 1.0}}
sample_rate: 32000
channels: 1
"""

LM = """
solver: musicgen
lm_model: transformer_lm
classifier_free_guidance: {training_dropout: 0.3, inference_coef: 3.0}
attribute_dropout: {}
fuser:
  cross_attention_pos_emb: false
  cross_attention_pos_emb_scale: 1
  sum: []
  prepend: []
  cross: [description]
  input_interpolate: []
conditioners:
  description:
    model: t5
    t5: {name: t5-base, finetune: false, word_dropout: 0.3, normalize_text: false}
compression_model_checkpoint: //sig/98dabcc6
compression_model_n_q: null
tokens: {padding_with_special_token: false}
interleave_stereo_codebooks: {use: false, per_timestep: false}
cache: {path: /scratch/someone/cache, write: false}
metrics:
  fad: {use_gt: false, model: tf, tf: {bin: null, model_path: //reference/fad/vggish_model.ckpt}}
codebooks_pattern:
  modeling: delay
  delay: {delays: [0, 1, 2, 3], flatten_first: 0, empty_initial: 0}
  unroll: {flattening: [0, 1, 2, 3], delays: [0, 0, 0, 0]}
  music_lm: {group_by: 2}
  coarse_first: {delays: [0, 0, 0]}
transformer_lm:
  dim: 16
  num_heads: 2
  num_layers: 2
  hidden_scale: 4
  n_q: 4
  card: 64
  dropout: 0.0
  emb_lr: null
  activation: gelu
  norm_first: true
  bias_ff: false
  bias_attn: false
  bias_proj: false
  past_context: null
  causal: true
  custom: false
  memory_efficient: false
  attention_as_float32: false
  layer_scale: null
  positional_embedding: sin
  xpos: false
  checkpointing: none
  weight_init: gaussian
  depthwise_init: current
  zero_bias_init: true
  norm: layer_norm
  cross_attention: false
  qk_layer_norm: false
  qk_layer_norm_cross: false
  attention_dropout: null
  kv_repeat: 1
  two_step_cfg: false
"""

ENCODEC = """
solver: compression
compression_model: encodec
losses: {adv: 4.0, feat: 4.0, l1: 0.1, mel: 0.0, msspec: 2.0, sisnr: 0.0}
adversarial: {every: 1, adversaries: [msstftd], adv_loss: hinge, feat_loss: l1}
mel: {sample_rate: '${sample_rate}', n_mels: 64}
msstftd: {in_channels: 1, out_channels: 1, filters: 4, norm: weight_norm, activation: LeakyReLU}
encodec:
  autoencoder: seanet
  quantizer: rvq
  sample_rate: ${sample_rate}
  channels: ${channels}
  causal: false
  renormalize: false
seanet:
  dimension: 8
  channels: ${channels}
  causal: ${encodec.causal}
  n_filters: 2
  n_residual_layers: 1
  ratios: [8, 5, 4, 4]
  activation: ELU
  activation_params: {alpha: 1.0}
  norm: weight_norm
  norm_params: {}
  kernel_size: 7
  residual_kernel_size: 3
  last_kernel_size: 7
  dilation_base: 2
  pad_mode: constant
  true_skip: true
  compress: 2
  lstm: 2
  disable_norm_outer_blocks: 0
  decoder: {trim_right_ratio: 1.0, final_activation: null, final_activation_params: null}
  encoder: {}
rvq:
  n_q: 4
  q_dropout: false
  bins: 64
  decay: 0.99
  kmeans_init: true
  kmeans_iters: 50
  threshold_ema_dead_code: 2
  orthogonal_reg_weight: 0.0
  orthogonal_reg_active_codes_only: false
no_quant: {}
"""

UNCONDITIONAL: dict[str, Any] = {
    "conditioners": None,
    "fuser": {"sum": [], "prepend": [], "cross": [], "input_interpolate": []},
    "classifier_free_guidance": {"training_dropout": 0, "inference_coef": 1},
}

MELODY: dict[str, Any] = {
    "conditioners.self_wav": {
        "model": "chroma_stem",
        "chroma_stem": {"sample_rate": 32000, "n_chroma": 12, "radix2_exp": 14, "argmax": True},
    },
    "fuser.cross": [],
    "fuser.prepend": ["self_wav", "description"],
}
STYLE: dict[str, Any] = {
    "conditioners.self_wav": {
        "model": "style",
        "style": {
            "model_name": "mert",
            "transformer_scale": "default",
            "sample_rate": 32000,
            "encodec_checkpoint": "//pretrained/facebook/encodec_32khz",
            "encodec_n_q": 3,
            "length": 3.0,
            "n_q_out": 6,
            "bins": 1024,
            "batch_norm": True,
        },
    },
    "fuser.cross": [],
    "fuser.prepend": ["self_wav", "description"],
}
MAGNET: dict[str, Any] = {
    "solver": "magnet",
    "lm_model": "transformer_lm_magnet",
    "transformer_lm.causal": False,
    "codebooks_pattern": {"modeling": "parallel", "parallel": {"empty_initial": -1}},
    "masking": {"span_len": 3},
}
JASCO: dict[str, Any] = {
    "solver": "jasco",
    "lm_model": "flow_matching",
    "compression_model_latent_dim": 128,
    "conditioners.self_wav": {
        "model": "drum_latents",
        "drum_latents": {
            "sample_rate": 32000,
            "out_dim": 2,
            "compression_model_latent_dim": "${compression_model_latent_dim}",
        },
    },
    "conditioners.chords": {"model": "chords_emb", "chords_emb": {"card": 194, "out_dim": 16}},
    "fuser.ignore": ["chords", "self_wav"],
    "transformer_lm.causal": False,
    "transformer_lm.skip_connections": False,
    "transformer_lm.flow_dim": "${compression_model_latent_dim}",
    "transformer_lm.chords_dim": "${conditioners.chords.chords_emb.out_dim}",
    "transformer_lm.drums_dim": "${conditioners.self_wav.drum_latents.out_dim}",
}
STEREO: dict[str, Any] = {
    "channels": 2,
    "interleave_stereo_codebooks.use": True,
    "transformer_lm.n_q": 8,
    "codebooks_pattern.delay.delays": [0, 0, 1, 1, 2, 2, 3, 3],
}


def compose(text: str, values: Mapping[str, Any]) -> DictConfig:
    """Give SHARED and ``text`` with dotted keys set, as Hydra leaves it: struct, unresolved."""
    config = OmegaConf.merge(OmegaConf.create(SHARED), OmegaConf.create(text))
    assert isinstance(config, DictConfig)
    for key, value in values.items():
        OmegaConf.update(config, key, value, merge=False, force_add=True)
    OmegaConf.set_struct(config, True)
    return config

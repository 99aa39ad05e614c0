"""A published codec: an EnCodec of transformers with random weights, ``codec.py FOLDER``.

32 kHz, 50 frames a second, 4 codebooks of 256 codes: those of the experiments in ``recipes.py``.
"""

from __future__ import annotations

import sys

import torch
from transformers import EncodecConfig, EncodecModel

CONFIG = EncodecConfig(
    target_bandwidths=[1.6], sampling_rate=32000, audio_channels=1, num_filters=2, hidden_size=8,
    codebook_size=256, codebook_dim=8, upsampling_ratios=[8, 5, 4, 4], num_lstm_layers=1,
    use_causal_conv=False, chunk_length_s=None,
)  # fmt: skip

if __name__ == "__main__":
    torch.manual_seed(0)
    EncodecModel(CONFIG).save_pretrained(sys.argv[1])

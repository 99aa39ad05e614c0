"""Writes the text encoder that AudioCraft finds under the name ``t5-base``: tiny, random, seeded.

It has T5-base's width and knows letters alone. transformers takes a folder of that name in the
working directory before it looks anywhere else.
"""

from __future__ import annotations

import string
import sys

import torch
from transformers import T5Config, T5EncoderModel, T5Tokenizer

PIECES = ("<pad>", "</s>", "<unk>", "\u2581", *string.ascii_lowercase)


def main(folder: str) -> None:
    """Write config, weights and tokenizer."""
    vocabulary = [(piece, -1.0) for piece in PIECES]
    T5Tokenizer(vocab=vocabulary, extra_ids=0).save_pretrained(folder)
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(PIECES), d_model=768, d_kv=8, d_ff=8, num_layers=1, num_heads=1
    )
    T5EncoderModel(config).save_pretrained(folder)


if __name__ == "__main__":
    main(sys.argv[1])

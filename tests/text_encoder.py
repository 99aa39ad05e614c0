"""A small T5 with random weights, and a tokenizer of letters: as transformers keeps them."""

from __future__ import annotations

from pathlib import Path

import torch


def write_text_encoder(folder: Path, width: int = 768) -> Path:
    """Write one that gives ``width`` floats for each letter of a text."""
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

    words = ["<pad>", "</s>", "<unk>", *" abcdefghijklmnopqrstuvwxyz"]
    letters = Tokenizer(WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
    letters.pre_tokenizer = Split(Regex("."), "isolated")
    PreTrainedTokenizerFast(
        tokenizer_object=letters, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    config = T5Config(
        vocab_size=len(words), d_model=width, d_kv=8, d_ff=16, num_layers=1, num_heads=2
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        T5EncoderModel(config).save_pretrained(folder)
    return folder

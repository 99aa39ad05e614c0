"""A tiny T5 with a tokenizer, random but seeded, as transformers saves one."""

from __future__ import annotations

import json
from pathlib import Path

import torch

LAYERS = 2
WORDS = ["<pad>", "</s>", "<unk>", *(f"\u2581{letter}" for letter in "abcdefgh"), *"abcdefgh"]


def write_t5(folder: Path, width: int = 768, form: str = "safetensors") -> Path:
    """Write a whole T5, its decoder too, and a tokenizer of a few letters. Gives the folder.

    Args:
        folder: where to.
        width: of its word vectors.
        form: ``safetensors``, or ``bin`` for torch's own.
    """
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(5)
    config = T5Config(
        vocab_size=len(WORDS), d_model=width, d_kv=4, d_ff=8, num_layers=LAYERS, num_heads=2,
        decoder_start_token_id=0,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config)
    model.save_pretrained(folder)
    if form == "bin":
        state = {name: tensor for name, tensor in model.state_dict().items()}
        torch.save(state, folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    write_tokenizer(folder)
    return folder


def write_tokenizer(folder: Path) -> None:
    """Write a tokenizer as T5 has it: SentencePiece's unigrams, and the end behind each text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram([(word, -1.0) for word in WORDS], unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "T5Tokenizer",
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "extra_ids": 0,
        "name_or_path": str(folder),
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))

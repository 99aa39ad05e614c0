"""Loads releases with AudioCraft's loaders and writes down what the models say.

``load.py REQUEST`` with a JSON text: ``model`` (a class of ``audiocraft.models``), ``description``
(a text, or null for none), ``melody`` (whether the model is told a sound beside it), and
``sources``, each with ``lm``, ``codec`` and ``out``. Where ``lm`` and ``codec`` are one and the
same, that is what ``get_pretrained`` is given; else each goes to its own loader. ``out`` becomes an
npz:

==========  ===========================================================================
asked       [1, codebooks, steps], fixed codes, int64
logits      [1, codebooks, steps, cardinality] for them, float32
mask        [1, codebooks, steps], which of them count
codes       [1, codebooks, frames], what the codec makes of a fixed sound
wave        [1, channels, samples], what the codec makes of those codes, float32
generated   [1, channels, samples], a second of audio, float32
rate        of both, in Hz
==========  ===========================================================================
"""

from __future__ import annotations

import json
import random
import sys
from typing import Any

import numpy as np
import torch
from audiocraft import models
from audiocraft.models import loaders
from audiocraft.modules.conditioners import ConditioningAttributes

STEPS = 25
SECONDS = 1.0


def opened(model: str, lm: str, codec: str) -> Any:
    """Give AudioCraft's model object."""
    kind = getattr(models, model)
    if lm == codec:
        return kind.get_pretrained(lm, device="cpu")
    return kind("release", loaders.load_compression_model(codec), loaders.load_lm_model(lm))


def chord(rate: int, channels: int) -> torch.Tensor:
    """Give a second of a chord, float32 [channels, samples]."""
    time = torch.arange(int(SECONDS * rate)) / rate
    tones = sum(torch.sin(2 * torch.pi * pitch * time) for pitch in (220.0, 277.2, 329.6)) / 4
    return tones.expand(channels, -1)


def drawn(lm: Any) -> Any:
    """Give codes that are always the same."""
    return np.random.default_rng(0).integers(0, lm.card, (1, lm.n_q, STEPS))


def logits(model: Any, description: str | None, melody: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Give what the language model predicts for codes and conditions that are always the same."""
    lm, sound = model.lm, chord(model.sample_rate, 1)
    if melody:
        told, _ = model._prepare_tokens_and_attributes([description], None, [sound])
    else:
        told = [ConditioningAttributes(text={"description": description} if description else {})]
    said = lm.compute_predictions(torch.from_numpy(drawn(lm)), told)
    return said.logits, said.mask


def coded(codec: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the codes of a chord, and the sound that they decode to."""
    codes, scale = codec.encode(chord(codec.sample_rate, codec.channels)[None])
    return codes, codec.decode(codes, scale)


def generated(model: Any, description: str | None, melody: bool) -> torch.Tensor:
    """Give a second of audio; MAGNeT cannot be told how much, and is asked for fewer steps."""
    seeded()
    if isinstance(model, models.MAGNeT):
        model.set_generation_params(decoding_steps=[2] * model.lm.n_q)
    else:
        model.set_generation_params(duration=SECONDS)
    if melody:
        sound = chord(model.sample_rate, 1)
        return model.generate_with_chroma([description], sound[None], model.sample_rate)
    if description is None:
        return model.generate_unconditional(1)
    return model.generate([description])


def seeded() -> None:
    """Begin all random numbers anew: the style conditioner draws where it listens."""
    torch.manual_seed(0)
    random.seed(0)


@torch.no_grad()
def main(model: str, description: str | None, melody: bool, sources: list[dict[str, str]]) -> None:
    """Answer a request."""
    torch.set_num_threads(1)  # sums come in one order
    for source in sources:
        seeded()  # the codec that the style conditioner listens with is drawn at each load
        loaded = opened(model, source["lm"], source["codec"])
        seeded()
        said, mask = logits(loaded, description, melody)
        codes, wave = coded(loaded.compression_model)
        np.savez(
            source["out"], asked=drawn(loaded.lm), logits=said, mask=mask, codes=codes, wave=wave,
            generated=generated(loaded, description, melody), rate=loaded.sample_rate,
        )  # fmt: skip


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))

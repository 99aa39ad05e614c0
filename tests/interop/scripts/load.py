"""Loads releases with AudioCraft's loaders and writes down what the models say.

``load.py REQUEST`` with a JSON text: ``model`` (a class of ``audiocraft.models``), ``description``
(a text, or null for none), and ``sources``, each with ``lm``, ``codec`` and ``out``. Where ``lm``
and ``codec`` are one and the same, that is what ``get_pretrained`` is given; else each goes to its
own loader. ``out`` becomes an npz:

==========  ===========================================================================
logits      [1, codebooks, steps, cardinality] for fixed codes, float32
mask        [1, codebooks, steps], which of them count
codes       [1, codebooks, frames], what the codec makes of a fixed sound
wave        [1, channels, samples], what the codec makes of those codes, float32
generated   [1, channels, samples], a second of audio, float32
rate        of both, in Hz
==========  ===========================================================================
"""

from __future__ import annotations

import json
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


def logits(lm: Any, description: str | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Give what the language model predicts for codes and a text that are always the same."""
    drawn = np.random.default_rng(0).integers(0, lm.card, (1, lm.n_q, STEPS))
    text = {} if description is None else {"description": description}
    said = lm.compute_predictions(torch.from_numpy(drawn), [ConditioningAttributes(text=text)])
    return said.logits, said.mask


def coded(codec: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the codes of a chord, and the sound that they decode to."""
    time = torch.arange(int(SECONDS * codec.sample_rate)) / codec.sample_rate
    chord = sum(torch.sin(2 * torch.pi * pitch * time) for pitch in (220.0, 277.2, 329.6)) / 4
    codes, scale = codec.encode(chord.expand(1, codec.channels, -1))
    return codes, codec.decode(codes, scale)


def generated(model: Any, description: str | None) -> torch.Tensor:
    """Give a second of audio."""
    torch.manual_seed(0)
    model.set_generation_params(duration=SECONDS)
    if description is None:
        return model.generate_unconditional(1)
    return model.generate([description])


@torch.no_grad()
def main(model: str, description: str | None, sources: list[dict[str, str]]) -> None:
    """Answer a request."""
    torch.set_num_threads(1)  # sums come in one order
    for source in sources:
        loaded = opened(model, source["lm"], source["codec"])
        said, mask = logits(loaded.lm, description)
        codes, wave = coded(loaded.compression_model)
        np.savez(
            source["out"], logits=said, mask=mask, codes=codes, wave=wave,
            generated=generated(loaded, description), rate=loaded.sample_rate,
        )  # fmt: skip


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))

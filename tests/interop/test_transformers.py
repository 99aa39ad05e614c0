"""One release in both worlds: AudioCraft and transformers load it, and say the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.interop.experiments import Experiments
from tests.interop.peer import DESCRIPTION, Peer, Said, Source
from tests.interop.recipes import TEXT
from tests.interop.releases import Releases
from tests.interop.table import Table

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Both:
    """A release in both formats.

    Attributes:
        folder: the release.
        said: what it says in AudioCraft.
    """

    folder: Path
    said: Said


@pytest.fixture(scope="module")
def both(
    peer: Peer, experiments: Experiments, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Both]:
    """The text-conditioned model, with the T5 that AudioCraft finds by its name."""
    place = tmp_path_factory.mktemp("both")
    folder = Releases(place / "outputs").make(
        experiments.get(TEXT), "formats=[audiocraft,transformers]", "push=none",
        f"export.text_encoder={peer.environment.desk / 't5-base'}",
    )  # fmt: skip
    (said,) = peer.load(place / "said", Source.whole(folder))
    yield Both(folder, said)


def delayed(codes: torch.Tensor, special: int) -> torch.Tensor:
    """Put codes [1, codebooks, steps] in the delay pattern, the special token around them."""
    books, steps = codes.shape[1:]
    placed = torch.full((books, steps + books), special)
    for book in range(books):
        placed[book, book + 1 : book + 1 + steps] = codes[0, book]
    return placed


def in_place(logits: torch.Tensor, steps: int) -> torch.Tensor:
    """Give for each code the logits that predict it: those of the step before its own."""
    return torch.stack([row[book : book + steps] for book, row in enumerate(logits)])


def test_both_say_the_same(both: Both, table: Table) -> None:
    from transformers import AutoProcessor, MusicgenForConditionalGeneration

    model = MusicgenForConditionalGeneration.from_pretrained(both.folder).eval()
    words = AutoProcessor.from_pretrained(both.folder)(text=[DESCRIPTION], return_tensors="pt")
    codes = torch.from_numpy(both.said.asked)
    with torch.inference_mode():
        answer = model(**words, decoder_input_ids=delayed(codes, model.config.decoder.vocab_size))
    found = in_place(answer.logits, codes.shape[-1]).numpy()
    wanted, counts = both.said.logits[0], both.said.mask[0]
    assert np.abs(wanted[counts]).mean() > 0.1
    apart = float(np.abs(found - wanted)[counts].max())
    table.add("text", "said by AudioCraft and by transformers", f"logits within {apart:.1e}")
    assert apart < TOLERANCE
    assert np.abs(np.roll(found, 1, axis=1) - wanted)[counts].max() > 1000 * TOLERANCE


def test_both_codecs_are_the_same(both: Both, table: Table) -> None:
    from transformers import MusicgenForConditionalGeneration

    codec = MusicgenForConditionalGeneration.from_pretrained(both.folder).audio_encoder.eval()
    with torch.inference_mode():
        codes = torch.from_numpy(both.said.codes)[None]
        wave = codec.decode(codes, [None]).audio_values
    apart = float(np.abs(wave.numpy() - both.said.wave).max())
    table.add("text", "sounds of both codecs", f"within {apart:.1e}")
    assert apart < TOLERANCE


def test_a_pipeline_of_transformers_makes_sound(both: Both, table: Table) -> None:
    from transformers import pipeline

    with table.timed("text", 'transformers\' pipeline("text-to-audio")', "half a second"):
        speak = pipeline("text-to-audio", model=str(both.folder), device="cpu")
        made = speak(DESCRIPTION, generate_kwargs={"max_new_tokens": 28})
    assert made["sampling_rate"] == both.said.rate
    assert made["audio"].shape[-1] == 25 * both.said.rate // 50
    assert np.isfinite(made["audio"]).all()

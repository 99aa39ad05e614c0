import subprocess
import sys

import torch

from stages.miniature.conditioning import Description, forget_words, word_vector
from stages.miniature.seeds import generator
from tests.miniature import ROOT


def test_a_word_has_its_own_vector_whatever_surrounds_it():
    encode = Description(768, 8)
    with torch.no_grad():
        alone, along = encode(["piano"]), encode(["slow piano"])
    assert torch.allclose(alone[0, 0], along[0, 1], atol=1e-6)
    assert not torch.allclose(along[0, 0], along[0, 1])


def test_places_without_a_word_are_zero_in_spite_of_the_bias():
    encode = Description(768, 8)
    torch.nn.init.ones_(encode.output_proj.bias)
    with torch.no_grad():
        encoded = encode(["slow piano", "drums", ""])
    assert encoded.shape == (3, 2, 8)
    assert encoded[1, 1].tolist() == encoded[2, 0].tolist() == [0.0] * 8
    assert encoded[1, 0].abs().sum() > 0


def test_a_batch_without_any_word_still_has_a_place_to_look_at():
    assert Description(768, 8)(["", ""]).shape == (2, 1, 8)


def test_vectors_are_the_same_in_every_process():
    code = (
        "from stages.miniature.conditioning import word_vector;"
        "print(word_vector('piano', 768).double().sum().item())"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert float(done.stdout) == word_vector("piano", 768).double().sum().item()


def test_words_are_forgotten_at_the_given_rate():
    texts = ["calm slow piano"] * 1000
    kept = forget_words(texts, 0.3, 0.0, generator("test"))
    assert 0.65 < sum(len(text.split()) for text in kept) / 3000 < 0.75
    assert forget_words(texts, 0.0, 0.0, generator("test")) == texts


def test_a_batch_keeps_all_its_texts_or_none():
    draws = generator("test")
    batches = [forget_words(["calm", "dark"], 0.0, 0.5, draws) for _ in range(200)]
    assert {tuple(batch) for batch in batches} == {("calm", "dark"), ("", "")}

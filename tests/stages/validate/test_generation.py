"""Decoding with the delay pattern, held against decoding without a memory of earlier steps."""

import pytest
import torch

from stages.validate.generation import Decoding

CARD, BOOKS, DIM, FRAMES = 32, 4, 24, 9


@pytest.fixture(scope="module")
def model():
    from transformers import MusicgenDecoderConfig, MusicgenForCausalLM

    config = MusicgenDecoderConfig(
        vocab_size=CARD,
        hidden_size=DIM,
        num_hidden_layers=2,
        num_attention_heads=3,
        ffn_dim=96,
        num_codebooks=BOOKS,
        pad_token_id=CARD,
        bos_token_id=CARD,
    )
    made = MusicgenForCausalLM(config).eval()
    draws = torch.Generator().manual_seed(3)
    for weight in made.parameters():
        weight.data.normal_(0, 0.3, generator=draws)
    return made


@pytest.fixture
def condition():
    return torch.randn(1, 5, DIM, generator=torch.Generator().manual_seed(4))


def decoding(delays, guidance: float = 1, steps: list[int] | None = None) -> Decoding:
    return Decoding(delays, CARD, guidance, (steps if steps is not None else []).append)


def anew(model, delays, condition, guidance: float) -> torch.Tensor:
    """Decode greedily, the whole sequence anew at each step."""
    sequence = torch.full((BOOKS, 1 + FRAMES + max(delays)), CARD)
    with torch.inference_mode():
        for step in range(1, sequence.shape[1]):
            given = {"input_ids": sequence[:, :step], "use_cache": False}
            logits = model(**given, encoder_hidden_states=condition).logits[:, -1]
            if guidance != 1:
                nothing = torch.zeros_like(condition)
                untold = model(**given, encoder_hidden_states=nothing).logits[:, -1]
                logits = untold + guidance * (logits - untold)
            for k, delay in enumerate(delays):
                if 0 <= step - 1 - delay < FRAMES:
                    sequence[k, step] = logits[k].argmax()
    return torch.stack([sequence[k, 1 + d : 1 + d + FRAMES] for k, d in enumerate(delays)])


@pytest.mark.parametrize("delays", [(0, 1, 2, 3), (0, 0, 1, 1), (0, 0, 0, 0), (0, 2, 2, 5)])
def test_greedy_tokens_are_those_of_decoding_anew(model, condition, delays):
    steps: list[int] = []
    found = decoding(delays, steps=steps).tokens(model, condition, FRAMES, None)
    assert torch.equal(found, anew(model, delays, condition, 1))
    assert found.shape == (BOOKS, FRAMES)
    assert sum(steps) == FRAMES + max(delays)


def test_guidance_moves_away_from_what_no_text_would_give(model, condition):
    delays = range(BOOKS)
    found = decoding(delays, 3.0).tokens(model, condition, FRAMES, None)
    assert torch.equal(found, anew(model, delays, condition, 3.0))
    assert not torch.equal(found, anew(model, delays, condition, 1))


def test_without_a_condition_nothing_is_guided(model):
    found = decoding(range(BOOKS), 3.0).tokens(model, None, FRAMES, None)
    assert torch.equal(found, anew(model, range(BOOKS), None, 1))


def test_sampling_follows_its_seed_alone(model, condition):
    before = torch.get_rng_state()
    first, again, other = (
        decoding(range(BOOKS), 3.0).tokens(model, condition, FRAMES, seed) for seed in (7, 7, 8)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert int(first.min()) >= 0 and int(first.max()) < CARD
    assert torch.equal(torch.get_rng_state(), before)

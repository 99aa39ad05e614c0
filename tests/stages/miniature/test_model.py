import math

import pytest
import torch
from torch import nn

from stages.miniature.model import Attention, LanguageModel, Shape, positions
from tests.miniature import TINY, config_of

TEXTS = ["calm slow piano", "drums"]


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return LanguageModel(Shape.of(config_of(*TINY)), seed=1).eval()


@pytest.fixture
def sequence() -> torch.Tensor:
    return torch.randint(0, 17, (2, 4, 6), generator=torch.Generator().manual_seed(0))


def test_the_full_model_has_audiocraft_s_names_and_musicgen_s_shapes():
    model = LanguageModel(Shape.of(config_of()), seed=1)
    layer = {
        "self_attn.in_proj_weight": (192, 64),
        "self_attn.out_proj.weight": (64, 64),
        "linear1.weight": (256, 64),
        "linear2.weight": (64, 256),
        "norm1.weight": (64,),
        "norm1.bias": (64,),
        "norm2.weight": (64,),
        "norm2.bias": (64,),
        "cross_attention.in_proj_weight": (192, 64),
        "cross_attention.out_proj.weight": (64, 64),
        "norm_cross.weight": (64,),
        "norm_cross.bias": (64,),
    }
    text = "condition_provider.conditioners.description.output_proj"
    expected = {
        f"{text}.weight": (64, 768),
        f"{text}.bias": (64,),
        **{f"emb.{k}.weight": (257, 64) for k in range(4)},
        **{f"transformer.layers.{i}.{name}": layer[name] for i in range(2) for name in layer},
        "out_norm.weight": (64,),
        "out_norm.bias": (64,),
        **{f"linears.{k}.weight": (256, 64) for k in range(4)},
    }
    found = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert list(found.items()) == list(expected.items())


def test_positions_follow_the_published_formula():
    table = positions(5, 8)
    for step in range(5):
        for place in range(4):
            phase = step / 10_000 ** (place / 3)
            assert table[step, place].item() == pytest.approx(math.cos(phase), abs=1e-6)
            assert table[step, 4 + place].item() == pytest.approx(math.sin(phase), abs=1e-6)


@pytest.mark.parametrize("causal", [True, False])
def test_attention_agrees_with_torch_s_own(causal):
    torch.manual_seed(0)
    ours, theirs = (
        Attention(8, 2, causal),
        nn.MultiheadAttention(8, 2, bias=False, batch_first=True),
    )
    nn.init.normal_(ours.in_proj_weight)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 5, 8)
    source = x if causal else torch.randn(2, 3, 8)
    mask = torch.triu(torch.full((5, 5), -math.inf), 1) if causal else None
    expected, _ = theirs(x, source, source, attn_mask=mask)
    assert torch.allclose(ours(x, source), expected, atol=1e-6)


def test_a_token_changes_nothing_before_it(model, sequence):
    changed = sequence.clone()
    changed[:, 2, 4] = (changed[:, 2, 4] + 1) % 17
    with torch.no_grad():
        before, after = model(sequence, TEXTS), model(changed, TEXTS)
    assert torch.equal(before[:, :, :4], after[:, :, :4])
    assert not torch.allclose(before[:, :, 4:], after[:, :, 4:])
    assert before.shape == (2, 4, 6, 16)


def test_the_description_counts_and_so_does_its_absence(model, sequence):
    with torch.no_grad():
        told, other, untold = (model(sequence, [t, t]) for t in ("calm", "dark", ""))
    assert not torch.allclose(told, other)
    assert not torch.allclose(told, untold)


def test_a_seed_gives_one_set_of_weights():
    shape = Shape.of(config_of(*TINY))
    first, again, other = (LanguageModel(shape, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["emb.0.weight"], other["emb.0.weight"])


def test_embeddings_start_wider_than_the_positions_that_are_added_to_them():
    # With AudioCraft's, the first hundred updates learn little else than to see them.
    model = LanguageModel(Shape.of(config_of()), seed=1)
    assert model.emb[0].weight.std() > 2 * positions(500, 64).std()


def test_deeper_layers_start_with_smaller_weights():
    weights = LanguageModel(Shape.of(config_of()), seed=1).state_dict()
    spread = [weights[f"transformer.layers.{i}.linear1.weight"].std().item() for i in (0, 1)]
    assert spread == [
        pytest.approx(1 / math.sqrt(64 * 2), rel=0.05),
        pytest.approx(1 / math.sqrt(64 * 4), rel=0.05),
    ]

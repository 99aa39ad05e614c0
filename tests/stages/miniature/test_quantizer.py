import pytest
import torch

from stages.miniature.quantizer import Codebook, Habits, Quantizer, kmeans
from stages.miniature.seeds import generator

HABITS = Habits(decay=0.9, kmeans_iters=10)


def frames(steps: int = 200, seed: str = "frames") -> torch.Tensor:
    return torch.randn(2, 3, steps, generator=generator(seed))


def test_every_centre_of_kmeans_is_the_mean_of_those_nearest_to_it():
    x = torch.randn(300, 2, generator=generator("vectors"))
    centres, sizes = kmeans(x, 8, 50, generator("start"))
    chosen = torch.cdist(x, centres).argmin(1)
    assert sizes.tolist() == [(chosen == n).sum().item() for n in range(8)]
    for n, centre in enumerate(centres):
        assert torch.allclose(centre, x[chosen == n].mean(0), atol=1e-3)


def test_kmeans_with_fewer_vectors_than_centres_has_centres_that_nobody_is_near():
    centres, sizes = kmeans(torch.tensor([[1.0], [2.0]]), 8, 5, generator("start"))
    assert set(centres.flatten().tolist()) == {1.0, 2.0}
    assert sizes.sum() == 2


def test_every_codebook_makes_what_is_left_smaller():
    quantizer = Quantizer(4, 16, 3)
    for _ in range(5):
        quantizer.learn(frames(), HABITS, generator("chance"))
    codes = quantizer.encode(frames())
    assert codes.shape == (2, 4, 200) and codes.min() >= 0 and codes.max() < 16
    left = []
    for count in range(1, 5):
        few = Quantizer(count, 16, 3)
        few.load_state_dict(
            {n: t for n, t in quantizer.state_dict().items() if int(n.split(".")[2]) < count}
        )
        left.append((few.decode(codes[:, :count]) - frames()).pow(2).mean().item())
    assert left == sorted(left, reverse=True) and left[-1] < 0.1 * left[0]


def test_a_codebook_follows_the_average_of_those_that_choose_it():
    book = Codebook(2, 1)
    book.begin(torch.tensor([[0.0], [0.0], [4.0], [4.0]]), HABITS, generator("start"))
    assert sorted(book.embed.flatten().tolist()) == [0.0, 4.0]
    assert book.cluster_size.tolist() == [2, 2]
    x = torch.tensor([[1.0], [1.0], [4.0], [4.0]])
    book.learn(x, book.encode(x), HABITS.decay)
    assert sorted(book.embed.flatten().tolist()) == pytest.approx([0.1, 4.0], abs=1e-3)


def test_an_entry_that_nobody_chooses_any_more_stays_finite():
    book = Codebook(2, 1)
    book.begin(torch.tensor([[0.0], [4.0]]), HABITS, generator("start"))
    for _ in range(500):
        book.learn(torch.tensor([[4.0]]), book.encode(torch.tensor([[4.0]])), HABITS.decay)
    assert book.embed.isfinite().all() and book.embed.abs().max() < 5


def test_the_encoder_gets_the_gradient_of_the_frames_and_is_drawn_to_the_codes():
    quantizer, x = Quantizer(2, 8, 3), frames(20).requires_grad_()
    quantized, penalty = quantizer.learn(x, HABITS, generator("chance"))
    (given,) = torch.autograd.grad(quantized.sum(), x, retain_graph=True)
    assert torch.equal(given, torch.ones_like(x))
    (drawn,) = torch.autograd.grad(penalty, x)
    assert drawn.abs().sum() > 0
    with torch.no_grad():
        assert quantized.shape == x.shape and not torch.equal(quantized, x)


def test_what_the_decoder_saw_is_what_the_codes_stood_for():
    quantizer = Quantizer(2, 8, 3)
    quantizer.learn(frames(20), HABITS, generator("chance"))
    before = quantizer.state_dict()
    frozen = Quantizer(2, 8, 3)
    frozen.load_state_dict({name: tensor.clone() for name, tensor in before.items()})
    expected = frozen.decode(frozen.encode(frames(20)))
    quantized, _ = quantizer.learn(frames(20), HABITS, generator("chance"))
    assert torch.allclose(quantized, expected, atol=1e-5)


def test_chance_is_only_what_is_given():
    first, again, other = (Quantizer(2, 8, 3) for _ in range(3))
    for quantizer, seed in ((first, "a"), (again, "a"), (other, "b")):
        quantizer.learn(frames(20), HABITS, generator(seed))
    name = "vq.layers.0._codebook.embed"
    assert torch.equal(first.state_dict()[name], again.state_dict()[name])
    assert not torch.equal(first.state_dict()[name], other.state_dict()[name])

import torch

from stages.miniature.sequences import INSTRUMENTS, MOODS, TEMPOS, SyntheticMusic


def music(noise: float = 0.0, cardinality: int = 2048) -> SyntheticMusic:
    return SyntheticMusic(1, 4, cardinality, 16, 32, noise)


def test_a_split_s_epoch_is_always_the_same_and_no_other():
    first, again, later, valid = (
        next(music().batches(split, epoch, 1, 8))
        for split, epoch in [("train", 1), ("train", 1), ("train", 2), ("valid", 1)]
    )
    assert torch.equal(first.codes, again.codes)
    assert first.descriptions == again.descriptions
    assert not torch.equal(first.codes, later.codes)
    assert not torch.equal(first.codes, valid.codes)


def test_without_noise_the_description_foretells_every_step():
    (batch,) = music().batches("train", 1, 1, 32)
    for codes, description in zip(batch.codes, batch.descriptions, strict=True):
        mood, tempo, instrument = description.split()
        assert set((codes // 32).flatten().tolist()) == {INSTRUMENTS.index(instrument)}
        assert set(((codes[:, 1:] - codes[:, :-1]) % 32).flatten().tolist()) == {
            TEMPOS.index(tempo) + 1
        }
        assert set(((codes[1:] - codes[:-1]) % 32).flatten().tolist()) == {MOODS.index(mood) + 1}


def test_noise_leads_astray_as_often_as_it_should():
    (clean,), (noisy,) = (music(noise).batches("train", 1, 1, 64) for noise in (0.0, 0.5))
    differing = (clean.codes != noisy.codes).float().mean().item()
    assert 0.4 < differing < 0.55


def test_tokens_stay_within_a_small_cardinality():
    (batch,) = music(cardinality=50).batches("train", 1, 1, 32)
    assert batch.codes.shape == (32, 4, 16)
    assert batch.codes.min() >= 0 and batch.codes.max() < 50

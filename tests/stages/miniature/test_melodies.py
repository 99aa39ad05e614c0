import math

import pytest
import torch

from stages.miniature.melodies import INSTRUMENTS, MOODS, SCALE, TEMPOS, Melodies
from tests.miniature import config_of
from tests.sound import WINDOW

RATE, HOP = 16000, 640


def melodies(noise: float = 0.0, frames: int = 100) -> Melodies:
    return Melodies(1, RATE, HOP, frames, noise)


def test_a_split_s_epoch_is_always_the_same_and_no_other():
    first, again, later, valid = (
        next(melodies().batches(split, epoch, 1, 8))
        for split, epoch in [("train", 1), ("train", 1), ("train", 2), ("valid", 1)]
    )
    assert torch.equal(first.audio, again.audio)
    assert first.descriptions == again.descriptions
    assert not torch.equal(first.audio, later.audio)
    assert not torch.equal(first.audio, valid.audio)


def degrees(audio: torch.Tensor, length: int) -> list[int]:
    """Hear which degree of the scale each note is, in its second frame."""
    frames = audio.view(-1, HOP)[1::length]
    time = torch.arange(HOP) / RATE
    waves = torch.stack([(2 * math.pi * pitch * time).sin() for pitch in SCALE])
    return (frames @ waves.t()).argmax(1).tolist()


def test_without_noise_the_description_foretells_every_step():
    (batch,) = melodies().batches("train", 1, 1, 32)
    for audio, description in zip(batch.audio, batch.descriptions, strict=True):
        mood, tempo, instrument = description.split()
        heard = degrees(audio, TEMPOS[tempo])
        played = melodies().sound(torch.tensor(heard), TEMPOS[tempo], INSTRUMENTS[instrument])
        assert torch.allclose(audio[0], played)
        steps = {(b - a) % len(SCALE) for a, b in zip(heard, heard[1:], strict=False)}
        assert steps <= {step % len(SCALE) for step in MOODS[mood]}


def test_noise_leads_astray():
    (batch,) = melodies(noise=0.5).batches("train", 1, 1, 32)
    strange = total = 0
    for audio, description in zip(batch.audio, batch.descriptions, strict=True):
        mood, tempo, _ = description.split()
        heard = degrees(audio, TEMPOS[tempo])
        allowed = {step % len(SCALE) for step in MOODS[mood]}
        steps = [(b - a) % len(SCALE) for a, b in zip(heard, heard[1:], strict=False)]
        strange, total = strange + sum(s not in allowed for s in steps), total + len(steps)
    assert 0.3 < strange / total < 0.5


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_an_instrument_has_the_overtones_of_its_own(name):
    (pitch,) = {600} & set(SCALE)
    sound = melodies().sound(torch.tensor([SCALE.index(pitch)]), 16, INSTRUMENTS[name])
    spectrum = torch.fft.rfft(sound[:WINDOW]).abs()
    expected = [n * pitch for n, a in enumerate(INSTRUMENTS[name].overtones, 1) if a]
    heard = [bin for bin in range(len(spectrum)) if spectrum[bin] > 0.15 * spectrum.max()]
    assert {round(bin * RATE / WINDOW / 100) * 100 for bin in heard} == set(expected)


def test_all_frames_within_a_note_hold_the_same_wave():
    sound = melodies().sound(torch.tensor([3]), 10, INSTRUMENTS["flute"]).view(10, HOP)
    assert torch.allclose(sound[1], sound[5], atol=1e-6)
    assert sound[0, 0] == 0 and sound[-1, -1] == 0
    faded = melodies().sound(torch.tensor([3]), 10, INSTRUMENTS["guitar"]).view(10, HOP)
    assert faded[8].abs().max() < 0.6 * faded[1].abs().max()


def test_the_shipped_pitches_fit_into_the_shipped_codec_s_frames():
    config = config_of("solver=compression")
    hop = math.prod(config.seanet.ratios)
    assert all(pitch % (config.sample_rate / hop) == 0 for pitch in SCALE)
    assert max(SCALE) * 3 < config.sample_rate / 2


def test_audio_has_the_length_and_the_loudness_that_were_asked_for():
    source = Melodies.of(config_of("dataset.segment_duration=0.5"), hop=HOP)
    (batch,) = source.batches("valid", 0, 1, 3)
    assert batch.audio.shape == (3, 1, 12 * HOP)
    assert 0.3 < batch.audio.abs().max() <= 0.5

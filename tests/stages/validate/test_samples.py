"""Sounds and pictures, read back by code that is not ours."""

import json
import struct
import wave
import zlib
from pathlib import Path

import numpy as np
import pytest

from pipeline.files import file_digest
from pipeline.layout import SAMPLES_LIST
from stages.common.claims import claims_in
from stages.miniature.melodies import SCALE
from stages.validate import pictures
from stages.validate.samples import CHORD, NOTE, Samples, arpeggio, wav


def pixels(content: bytes) -> np.ndarray:
    """Read a PNG whose lines are not filtered."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    at, parts = 8, {}
    while at < len(content):
        size, name = struct.unpack_from(">I4s", content, at)
        body = content[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", content, at + 8 + size)[0] == zlib.crc32(name + body)
        parts[name] = body
        at += 12 + size
    width, height, depth, kind, *rest = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    assert (depth, rest, list(parts)) == (8, [0, 0, 0], [b"IHDR", b"IDAT", b"IEND"])
    lines = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, {2: 3, 6: 4}[kind])


def tone(hertz: float, rate: int = 16000, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate).astype(np.float32)


def test_a_louder_half_is_drawn_higher():
    sound = tone(1000)
    sound[:8000] *= 0.25
    drawn = pixels(pictures.waveform(sound))[..., 3] > 0
    heights = drawn.sum(0)
    assert drawn.shape == (pictures.HEIGHT, pictures.WIDTH)
    assert np.median(heights[:390]) == pytest.approx(40, abs=3)
    assert np.median(heights[410:]) == pytest.approx(160, abs=3)


@pytest.mark.parametrize("sound", [np.zeros(0), np.zeros(5), np.ones(100)])
def test_silence_and_a_few_samples_can_be_drawn(sound):
    drawn = pixels(pictures.waveform(sound.astype(np.float32)))
    assert (drawn[..., 3] > 0).any(0).all()
    assert pixels(pictures.spectrogram(sound.astype(np.float32), 16000)).shape == (160, 800, 3)


def test_a_higher_tone_is_higher_in_the_spectrogram():
    places = []
    for hertz in (200, 1000, 5000):
        drawn = pixels(pictures.spectrogram(tone(hertz), 16000)).astype(int).sum(-1)
        places.append(int(drawn[:, 400].argmax()))
    assert places == sorted(places, reverse=True)
    energies = pictures.mel_energies(tone(1000), 16000)
    assert energies.shape == (pictures.MELS, pictures.WIDTH)
    corners = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), pictures.MELS + 2)
    loudest = corners[energies[:, 400].argmax() + 1]
    assert loudest == pytest.approx(2595 * np.log10(1 + 1000 / 700), abs=corners[1])


@pytest.mark.parametrize("channels", [1, 2])
def test_a_wav_holds_the_sound(tmp_path: Path, channels: int):
    sound = np.stack([tone(300), 0.5 * tone(500)][:channels])
    (tmp_path / "a.wav").write_bytes(wav(sound, 16000))
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (
            *(channels, 16000, 2),
        )
        pcm = np.frombuffer(file.readframes(16000), "<i2").reshape(-1, channels).T / 32767
    np.testing.assert_allclose(pcm, sound, atol=1 / 32767)


def test_what_is_too_loud_is_made_softer_as_a_whole(tmp_path: Path):
    (tmp_path / "a.wav").write_bytes(wav(4 * tone(300)[None], 16000))
    with wave.open(str(tmp_path / "a.wav")) as file:
        pcm = np.frombuffer(file.readframes(16000), "<i2") / 32767
    np.testing.assert_allclose(pcm, tone(300), atol=1e-3)


def test_the_list_names_each_sound_with_its_pictures_and_digests(tmp_path: Path):
    samples = Samples(tmp_path / "samples")
    samples.add("text-1-seed-7", "a flute", arpeggio(16000, 1), 16000, "a flute", 7)
    samples.add("codec", "the test signal", arpeggio(16000, 2), 16000)
    listed = json.loads((samples.folder / SAMPLES_LIST).read_text())
    first, second = listed["samples"]
    assert (first["prompt"], first["seed"], first["seconds"]) == ("a flute", 7, 2.0)
    assert (second["prompt"], second["seed"]) == (None, None)
    files = {path.name for path in samples.folder.iterdir()} - {SAMPLES_LIST}
    assert files == {n for s in (first, second) for n in (s["file"], *s["pictures"])}
    for name, claim in claims_in(SAMPLES_LIST, listed["files"]):
        digest = file_digest(samples.folder / name)
        assert claim is not None and (claim.size, claim.sha256) == (digest.size, digest.sha256)
    assert set(listed["files"]) == files


def test_the_test_signal_is_the_same_everywhere_and_within_full_scale():
    one = arpeggio(32000, 2)
    assert one.shape == (2, 64000) and one.dtype == np.float32
    assert 0.3 < np.abs(one).max() < 0.8
    assert np.array_equal(one[0], one[1])


def test_notes_of_the_test_signal_are_such_as_the_miniature_s_codec_has_learnt():
    """A real codec gives back any sound; this one only whole frames of whole waves."""
    frame_rate = 25
    assert NOTE * frame_rate == pytest.approx(6) and set(CHORD) <= set(SCALE)
    assert all(pitch % frame_rate == 0 for pitch in CHORD)

"""The sounds that a validation leaves: ``samples/*.wav``, their pictures, and a list of both."""

from __future__ import annotations

import io
import wave
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import files
from pipeline.layout import SAMPLES_LIST
from pipeline.manifest import FileDigest, pretty
from stages.validate import pictures

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Sample:
    """One sound.

    Attributes:
        file: its name.
        title: what it is, for people.
        prompt: the text that it was made from; ``None`` for none.
        seed: that the tokens were drawn with; ``None`` where nothing was drawn.
        seconds: how long it is.
        sample_rate: in Hz.
        pictures: the names of its waveform and its mel spectrogram.
    """

    file: str
    title: str
    prompt: str | None
    seed: int | None
    seconds: float
    sample_rate: int
    pictures: tuple[str, ...]


@dataclass
class Samples:
    """A folder of sounds in the making.

    Attributes:
        folder: where they go; made with the first of them.
        made: those that are there.
        digests: of every file.
    """

    folder: Path
    made: list[Sample] = field(default_factory=list)
    digests: dict[str, FileDigest] = field(default_factory=dict)

    def add(
        self,
        stem: str,
        title: str,
        sound: Array,
        sample_rate: int,
        prompt: str | None = None,
        seed: int | None = None,
    ) -> None:
        """Write a sound and its pictures, and list them.

        Args:
            stem: its name, without an ending.
            title: what it is.
            sound: float32 [channels, samples]; one that is louder than full scale is made softer.
            sample_rate: in Hz.
            prompt: the text that it was made from.
            seed: that it was made with.
        """
        mono = sound.mean(0)
        names = (f"{stem}.wav", f"{stem}-waveform.png", f"{stem}-mel.png")
        self._write(names[0], wav(sound, sample_rate))
        self._write(names[1], pictures.waveform(mono / max(1.0, float(abs(mono).max(initial=0)))))
        self._write(names[2], pictures.spectrogram(mono, sample_rate))
        seconds = round(sound.shape[-1] / sample_rate, 3)
        self.made.append(Sample(names[0], title, prompt, seed, seconds, sample_rate, names[1:]))
        listed = {
            "samples": [asdict(sample) for sample in self.made],
            "files": {name: asdict(digest) for name, digest in sorted(self.digests.items())},
        }
        files.write_text(self.folder / SAMPLES_LIST, pretty(listed))

    def _write(self, name: str, content: bytes) -> None:
        self.folder.mkdir(exist_ok=True)
        with files.new_file(self.folder / name) as file:
            file.write(content)
        self.digests[name] = files.file_digest(self.folder / name)


def wav(sound: Array, sample_rate: int) -> bytes:
    """Write a sound as 16-bit PCM, made softer where it is louder than full scale.

    Args:
        sound: float32 [channels, samples].
        sample_rate: in Hz.
    """
    import numpy as np

    peak = max(1.0, float(np.abs(sound).max(initial=0)))
    pcm = (sound / peak * 32767).round().astype("<i2")
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(sound.shape[0])
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(pcm.T.tobytes())
    return content.getvalue()


NOTE = 0.24
"""Seconds that a note of the test signal lasts."""

CHORD = (300, 375, 450, 600, 750, 600, 450, 375)
"""Hz: a chord up and down. At 25 Hz a frame is whole waves of each, and a note is whole frames: a
codec as small as the miniature's gives back nothing else."""


def arpeggio(sample_rate: int, channels: int, seconds: float = 2.0) -> Array:
    """Give a rising and falling chord with overtones, a note every 0.24 s.

    Returns:
        float32 [channels, samples], half of full scale.
    """
    import numpy as np

    time = np.arange(int(sample_rate * seconds)) / sample_rate
    note = np.floor(time / NOTE + 1e-9).astype(int) % len(CHORD)
    tone, fading = np.array(CHORD)[note], np.exp(-3 * (time % NOTE))
    overtones = sum(np.sin(2 * np.pi * k * tone * time) / k**2 for k in (1, 2, 3))
    one = 0.4 * overtones * fading
    sound: Array = np.stack([one] * channels).astype(np.float32)
    return sound

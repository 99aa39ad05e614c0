"""A few seconds of tones, with the manifest and the metadata by which AudioCraft reads them."""

from __future__ import annotations

import json
import math
import wave
from array import array
from pathlib import Path

FILES = 3
SECONDS = 3
UNTOLD = dict.fromkeys(
    ("artist", "key", "bpm", "genre", "moods", "keywords", "name", "instrument"), None
)
"""What AudioCraft's music data sets have to say of each piece."""


def write_sounds(folder: Path, rate: int, channels: int) -> Path:
    """Write wavs, a description beside each, and ``data.jsonl``; give the folder."""
    folder.mkdir(parents=True)
    lines = []
    for number in range(FILES):
        path = folder / f"tone-{number}.wav"
        _write_tone(path, 220.0 * 2 ** (number / 3), rate, channels)
        told = {**UNTOLD, "title": path.stem, "description": f"a tone, number {number}"}
        path.with_suffix(".json").write_text(json.dumps(told))
        lines.append({"path": str(path), "duration": float(SECONDS), "sample_rate": rate})
    (folder / "data.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


def _write_tone(path: Path, pitch: float, rate: int, channels: int) -> None:
    """Write a note that swells once a second; a second channel is an octave higher."""
    samples = array("h")
    for index in range(SECONDS * rate):
        at = index / rate
        swell = 12000 * (0.6 + 0.4 * math.sin(2 * math.pi * at))
        for channel in range(channels):
            samples.append(round(swell * math.sin(2 * math.pi * pitch * (channel + 1) * at)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())

"""Pictures of a sound: its waveform and its mel spectrogram, as PNG files.

Drawn and written here, in numpy and zlib: a plotting library would be the release's largest
dependency for two rectangles. Axes are left to whoever shows the picture.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

WIDTH, HEIGHT = 800, 160
"""Of a picture, in pixels."""

MELS = 80
"""Bands of the spectrogram, two pixels high each."""

_RANGE = 80.0
"""Decibels from the loudest point of a spectrogram down to its darkest colour."""

_INK = (82, 122, 199)
"""A blue to be seen on white as well as on black."""

_COLOURS = ((0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191))
"""Some of matplotlib's magma, from quiet to loud."""


def waveform(sound: Array) -> bytes:
    """Draw the highest and lowest value of every column, on a transparent ground.

    Args:
        sound: float32 [samples], full scale at 1.
    """
    import numpy as np

    edges = np.linspace(0, len(sound), WIDTH + 1).astype(int)
    rows = np.arange(HEIGHT)
    pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    for column in range(WIDTH):
        part = sound[edges[column] : max(edges[column + 1], edges[column] + 1)]
        top, bottom = (0.0, 0.0) if not len(part) else (part.max(), part.min())
        middle, half = (HEIGHT - 1) / 2, (HEIGHT - 1) / 2
        drawn = (rows >= middle - half * top - 0.5) & (rows <= middle - half * bottom + 0.5)
        pixels[drawn, column] = (*_INK, 255)
    return png(pixels)


def spectrogram(sound: Array, sample_rate: int) -> bytes:
    """Draw the energy in mel bands over time, low tones at the foot.

    Args:
        sound: float32 [samples].
        sample_rate: in Hz.
    """
    import numpy as np

    decibels = 10 * np.log10(np.maximum(mel_energies(sound, sample_rate), 1e-10))
    level = np.clip((decibels - decibels.max()) / _RANGE + 1, 0, 1)
    places = np.linspace(0, 1, len(_COLOURS))
    channels = [np.interp(level, places, [c[i] for c in _COLOURS]) for i in range(3)]
    pixels = np.stack(channels, -1).round().astype(np.uint8)[::-1]
    return png(pixels.repeat(HEIGHT // MELS, 0))


def mel_energies(sound: Array, sample_rate: int) -> Array:
    """Give the energy of each band, float64 [MELS, WIDTH]; windows of 2048 samples."""
    import numpy as np

    size = 2048
    padded = np.pad(sound.astype(np.float64), size // 2)
    starts = np.linspace(0, len(sound), WIDTH).astype(int)
    frames = np.stack([padded[start : start + size] for start in starts]) * np.hanning(size)
    energies = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    bands: Array = _bands(sample_rate, size) @ energies.T
    return bands


def _bands(sample_rate: int, size: int) -> Array:
    """Give overlapping triangles, equally wide in mel: float64 [MELS, size // 2 + 1]."""
    import numpy as np

    top = 2595 * np.log10(1 + sample_rate / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, top, MELS + 2) / 2595) - 1)
    tones = np.linspace(0, sample_rate / 2, size // 2 + 1)
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (tones - low) / (middle - low), (high - tones) / (high - middle)
    bands: Array = np.maximum(0, np.minimum(rising, falling))
    return bands


def png(pixels: Array) -> bytes:
    """Write a picture.

    Args:
        pixels: uint8 [height, width, 3 or 4], from the top left.
    """
    height, width, channels = pixels.shape
    kind = 2 if channels == 3 else 6
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )

"""The sounds of a run as a page plays them: inside of it, or beside it when they are large.

``samples.json`` lists them under ``samples``: ``file``, ``title``, ``prompt``, ``seed``,
``seconds``, ``sample_rate`` and the names of ``pictures``. Without it every ``.wav`` is taken, with
the pictures whose names begin like it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from pipeline import lenient
from pipeline.layout import SAMPLES_LIST

INLINE_LIMIT = 16 << 20
"""Bytes of sounds and pictures that still go into the page: mail takes about 25 MB, base64 adds a
third."""

_TYPES = {".wav": "audio/wav", ".png": "image/png"}


@dataclass(frozen=True)
class Sound:
    """One sound with its pictures.

    Attributes:
        title: what it is.
        about: prompt, seed, length and rate, as far as they are known.
        source: a ``data:`` URI, or a relative link.
        pictures: text that stands for a picture, and its URI or link.
    """

    title: str
    about: tuple[str, ...]
    source: str
    pictures: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Sample:
    """One sound as it is listed, to be compared with that of another run.

    Attributes:
        path: relative to the page that plays it.
        title: what it is.
        prompt: the text that it was made from; empty for none.
        seed: that it was drawn with; ``None`` where nothing was drawn.
        seconds: how long it is; ``None`` when it is not listed.
    """

    path: PurePosixPath
    title: str
    prompt: str
    seed: int | None
    seconds: float | None


def sounds_of(folder: Path, page: Path, limit: int = INLINE_LIMIT) -> tuple[Sound, ...]:
    """Give the sounds of a folder for a page at ``page``; none when there is no such folder."""
    entries = _entries(folder)
    pictures = [_pictures(folder, entry) for entry in entries]
    shown = [folder / entry["file"] for entry in entries]
    shown += [folder / name for names in pictures for name in names]
    inline = sum(path.stat().st_size for path in shown) <= limit

    def address(name: str) -> str:
        path = folder / name
        if not inline:
            return quote(path.relative_to(page.parent).as_posix())
        content = base64.b64encode(path.read_bytes()).decode()
        return f"data:{_TYPES[path.suffix]};base64,{content}"

    sounds = []
    for entry, names in zip(entries, pictures, strict=True):
        title = str(entry.get("title") or Path(entry["file"]).stem)
        drawn = tuple((_alternative(name, title), address(name)) for name in names)
        sounds.append(Sound(title, _about(entry), address(entry["file"]), drawn))
    return tuple(sounds)


def samples_of(folder: Path, base: Path) -> tuple[Sample, ...]:
    """Give the sounds of a folder for a page in ``base``; none when there is no such folder."""
    below = PurePosixPath(folder.relative_to(base).as_posix())
    return tuple(
        Sample(
            below / entry["file"],
            lenient.text(entry.get("title")) or PurePosixPath(entry["file"]).stem,
            lenient.text(entry.get("prompt")),
            lenient.whole(entry.get("seed")),
            lenient.number(entry.get("seconds")),
        )
        for entry in _entries(folder)
    )


def _entries(folder: Path) -> list[Mapping[str, Any]]:
    """Give what is listed of every sound that is in a folder; none when there is no such folder."""
    listed = lenient.mapping(folder / SAMPLES_LIST).get("samples")
    if not isinstance(listed, list):
        listed = [{"file": path.name} for path in sorted(folder.glob("*.wav"))]
    entries = lenient.mappings(listed)
    return [entry for entry in entries if _is_file(folder, entry.get("file"), ".wav")]


def _pictures(folder: Path, entry: Mapping[str, Any]) -> list[str]:
    named = entry.get("pictures")
    if not isinstance(named, list):
        stem = Path(entry["file"]).stem
        named = sorted(path.name for path in folder.glob("*.png") if path.name.startswith(stem))
    return [name for name in named if _is_file(folder, name, ".png")]


def _is_file(folder: Path, name: Any, suffix: str) -> bool:
    """Tell whether a name that a list gives is a file of that folder, and of no other."""
    plain = isinstance(name, str) and Path(name).name == name and Path(name).suffix == suffix
    return plain and not (folder / name).is_symlink() and (folder / name).is_file()


def _about(entry: Mapping[str, Any]) -> tuple[str, ...]:
    said = {
        "prompt": "“{}”",
        "seed": "seed {}",
        "seconds": "{} s",
        "sample_rate": "{} Hz",
    }
    return tuple(
        form.format(entry[key]) for key, form in said.items() if entry.get(key) not in (None, "")
    )


def _alternative(name: str, title: str) -> str:
    kind = "Waveform" if "wave" in name else "Mel spectrogram" if "mel" in name else "Picture"
    return f"{kind} of {title}"

"""The sounds in a release as its card shows them: ``samples/`` and the list that lies in it.

``samples`` of it gives for each sound: file, title, prompt, seed, seconds, pictures.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.layout import SAMPLES_LIST


@dataclass(frozen=True)
class Heard:
    """One sound.

    Attributes:
        file: its name in the release, with its folder.
        title: what it is.
        prompt: the text that it was made from; ``None`` for none.
        about: seed and length, as far as they are known.
        pictures: the names of its pictures, with their folder.
    """

    file: str
    title: str
    prompt: str | None = None
    about: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()


def heard_in(folder: Path) -> tuple[Heard, ...]:
    """Give the sounds of a folder of samples in their order; none when there is no such folder.

    What is not on the list, or not there, is left out; without a list every wav is taken.
    """
    return tuple(_heard(folder))


def _heard(folder: Path) -> Iterator[Heard]:
    for entry in _entries(folder):
        file = _inside(folder, entry.get("file"))
        if file is None:
            continue
        seed, seconds, prompt = (entry.get(name) for name in ("seed", "seconds", "prompt"))
        about = [f"seed {seed}"] if isinstance(seed, int) else []
        about += [f"{seconds:g} s"] if isinstance(seconds, int | float) else []
        named = entry.get("pictures")
        pictures = [_inside(folder, name) for name in named] if isinstance(named, list) else []
        yield Heard(
            file,
            str(entry.get("title") or Path(file).stem),
            prompt if isinstance(prompt, str) else None,
            tuple(about),
            tuple(filter(None, pictures)),
        )


def _entries(folder: Path) -> list[Mapping[str, Any]]:
    try:
        listed = json.loads((folder / SAMPLES_LIST).read_text("utf-8"))["samples"]
        return [entry for entry in listed if isinstance(entry, Mapping)]
    except (OSError, ValueError, KeyError, TypeError):
        return [{"file": path.name} for path in sorted(folder.glob("*.wav"))]


def _inside(folder: Path, name: object) -> str | None:
    """Give a name as the release has it, where it is that of a file in this very folder."""
    if isinstance(name, str) and Path(name).name == name and (folder / name).is_file():
        return f"{folder.name}/{name}"
    return None

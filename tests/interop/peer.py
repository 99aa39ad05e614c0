"""AudioCraft at work: scripts of ``scripts/``, and Dora, in processes of their own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.interop.environment import OFFICIAL, Environment, place_in_cache

SCRIPTS = Path(__file__).resolve().parent / "scripts"
TRUSTING = {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
"""torch's own switch, without which AudioCraft cannot read its training checkpoints any more."""

DESCRIPTION = "a slow tune"
"""What every model is told that takes a text."""


@dataclass(frozen=True)
class Source:
    """What AudioCraft is to load; one name for both models is for ``get_pretrained``."""

    lm: str
    codec: str

    @classmethod
    def whole(cls, release: object) -> Source:
        """Give a release by its folder, Hub id, or the address of its one file."""
        return cls(str(release), str(release))


@dataclass(frozen=True)
class Said:
    """What a loaded model says to fixed questions; ``scripts/load.py`` tells of the arrays."""

    asked: np.ndarray[Any, Any]
    logits: np.ndarray[Any, Any]
    mask: np.ndarray[Any, Any]
    codes: np.ndarray[Any, Any]
    wave: np.ndarray[Any, Any]
    generated: np.ndarray[Any, Any]
    rate: int

    @classmethod
    def read(cls, path: Path) -> Said:
        """Read an answer."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{name: arrays[name] for name in arrays.files})

    def same_as(self, other: Said) -> bool:
        """Tell whether language model and codec say the same, to the last bit."""
        return all(
            getattr(self, name).tobytes() == getattr(other, name).tobytes()
            for name in ("logits", "mask", "codes", "wave")
        )

    def distance(self, other: Said) -> float:
        """Give how far the logits that count are apart, relative to the largest."""
        own, theirs = self.logits[self.mask], other.logits[other.mask]
        return float(np.abs(own - theirs).max() / np.abs(theirs).max())


@dataclass(frozen=True)
class Peer:
    """AudioCraft in one of its versions."""

    environment: Environment
    version: str = OFFICIAL

    def run(self, *command: str | Path, variables: Mapping[str, str] | None = None) -> str:
        """Run AudioCraft's interpreter to its end; give what it printed."""
        done = subprocess.run(
            [self.environment.python, *command], cwd=self.environment.desk,
            env={**self.environment.variables(self.version), **(variables or {})},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"AudioCraft: {command}\n{done.stdout}{done.stderr}")
        return done.stdout

    def export(self, kind: str, checkpoint: Path, file: Path) -> Path:
        """Export with AudioCraft's own function: ``lm`` or ``encodec``."""
        self.run(SCRIPTS / "export.py", kind, checkpoint, file, variables=TRUSTING)
        return file

    def build(self, signature: str, overrides: Sequence[str], file: Path) -> Path:
        """Write a training checkpoint of what its builders make of a config; none is trained."""
        config = self.environment.sources / OFFICIAL / "config"
        request = {
            "config": str(config), "overrides": list(overrides), "signature": signature,
            "file": str(file),
        }  # fmt: skip
        self.run(SCRIPTS / "build.py", json.dumps(request))
        return file

    def publish_codec(self, cache: Path, name: str) -> Path:
        """Put a codec of transformers into a Hub cache, by a name; give the cache."""
        place_in_cache(cache, name, cache / "codec")
        self.run(SCRIPTS / "codec.py", cache / "codec")
        return cache

    def load(
        self,
        folder: Path,
        *sources: Source,
        model: str = "MusicGen",
        text: bool = True,
        melody: bool = False,
        variables: Mapping[str, str] | None = None,
    ) -> list[Said]:
        """Load releases one after the other in one process, and ask each the same questions.

        Args:
            folder: where the answers go.
            sources: what to load.
            model: AudioCraft's class.
            text: whether the models take a text.
            melody: whether they are told a sound beside it.
            variables: of the environment.
        """
        folder.mkdir(parents=True, exist_ok=True)
        answers = [folder / f"{number}.npz" for number in range(len(sources))]
        request = {
            "model": model,
            "description": DESCRIPTION if text else None,
            "melody": melody,
            "sources": [
                {**vars(source), "out": str(answer)}
                for source, answer in zip(sources, answers, strict=True)
            ],
        }
        self.run(SCRIPTS / "load.py", json.dumps(request), variables=variables)
        return [Said.read(answer) for answer in answers]

"""Experiments that AudioCraft trained, kept from one session to the next."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from stages.common.experiments import Experiment
from tests.interop.peer import TRUSTING, Peer
from tests.interop.recipes import Recipe
from tests.interop.sounds import write_sounds

SPLITS = ("train", "valid", "evaluate", "generate")


@dataclass(frozen=True)
class Trained:
    """An experiment.

    Attributes:
        recipe: what was asked for.
        experiment: what Dora keeps of it.
        seconds: how long the training took; ``None`` where it was there already.
    """

    recipe: Recipe
    experiment: Experiment
    seconds: float | None

    @property
    def checkpoint(self) -> Path:
        """Its last checkpoint."""
        return self.experiment.last_checkpoint


@dataclass(frozen=True)
class Experiments:
    """Trains what is not there yet."""

    peer: Peer

    @property
    def root(self) -> Path:
        """The folder of sounds and experiments."""
        return self.peer.environment.trained

    @property
    def dora(self) -> Path:
        """The folder that holds ``xps/``."""
        return self.root / "dora"

    def overrides(self, recipe: Recipe) -> list[str]:
        """Give all that follows ``dora run``; what it needs is made first."""
        sounds = self.root / f"sounds-{recipe.rate}-{recipe.channels}"
        if not sounds.exists():
            write_sounds(sounds, recipe.rate, recipe.channels)
        places = [f"datasource.{split}={sounds}" for split in SPLITS]
        if recipe.codec is not None:
            signature = self.get(recipe.codec).experiment.sig
            places.append(f"compression_model_checkpoint=//sig/{signature}")
        return [*recipe.overrides, *places]

    def get(self, recipe: Recipe) -> Trained:
        """Give an experiment, trained if need be by ``dora -P audiocraft run``."""
        self.root.mkdir(exist_ok=True)
        overrides = self.overrides(recipe)  # outside of the lock: it gets the codec
        with FileLock(self.root / "lock"):
            if (found := self._found(overrides)) is not None:
                return Trained(recipe, found, None)
            variables = {**TRUSTING, "AUDIOCRAFT_DORA_DIR": str(self.dora)}
            begun = time.monotonic()
            self.peer.run("-m", "dora", "-P", "audiocraft", "run", *overrides, variables=variables)
            seconds = time.monotonic() - begun
            found = self._found(overrides)
            assert found is not None, f"no experiment of {recipe.name}"
            return Trained(recipe, found, seconds)

    def _found(self, overrides: list[str]) -> Experiment | None:
        for folder in self.dora.glob("xps/*"):
            asked = folder / ".argv.json"
            if asked.is_file() and json.loads(asked.read_text()) == overrides:
                experiment = Experiment(self.dora, folder.name)
                epochs = next(o for o in reversed(overrides) if o.startswith("optim.epochs="))
                if len(experiment.history) >= int(epochs.partition("=")[2]):
                    return experiment
        return None

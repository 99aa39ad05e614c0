"""Releases of AudioCraft's experiments, made by our pipeline as a user makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.command import environment, pipeline, quoted
from tests.interop.experiments import Experiments, Trained
from tests.interop.peer import TRUSTING
from tests.interop.recipes import Recipe


@dataclass(frozen=True)
class Releases:
    """An outputs folder."""

    outputs: Path

    def make(
        self, trained: Trained, *overrides: str, variables: Mapping[str, str] | None = None
    ) -> Path:
        """Release an experiment; give the folder."""
        source = (
            "checkpoint=dora", f"checkpoint.sig=//sig/{trained.experiment.sig}",
            f"checkpoint.dora_dir={quoted(trained.experiment.dora_dir)}",
        )  # fmt: skip
        return self._run(trained.recipe, *source, *overrides, variables=variables)

    def make_of_file(
        self, recipe: Recipe, checkpoint: Path, codec: Trained, *overrides: str
    ) -> Path:
        """Release a training checkpoint with the EnCodec that it names; give the folder."""
        return self._run(
            recipe, "checkpoint=file", f"checkpoint.path={quoted(checkpoint)}",
            "compression=trained", f"compression.sig=//sig/{codec.experiment.sig}",
            f"compression.dora_dir={quoted(codec.experiment.dora_dir)}", *overrides,
        )  # fmt: skip

    def train(self, experiments: Experiments, recipe: Recipe, *overrides: str) -> Path:
        """Let the pipeline's own train stage run AudioCraft, and release what comes out."""
        asked = ",".join(quoted(override) for override in experiments.overrides(recipe))
        self.outputs.mkdir(parents=True, exist_ok=True)
        if not (self.outputs / "dora").exists():
            # The codec that the model is trained on lies there.
            (self.outputs / "dora").symlink_to(experiments.dora)
        peer = experiments.peer.environment
        source = (
            "checkpoint=train", "checkpoint.package=audiocraft",
            f"checkpoint.python={quoted(peer.python)}", f"checkpoint.overrides=[{asked}]",
        )  # fmt: skip
        own = {name: peer.variables()[name] for name in ("USER", "HF_HUB_CACHE", "HF_HUB_OFFLINE")}
        return self._run(recipe, *source, *overrides, variables={**own, **TRUSTING})

    def _run(
        self, recipe: Recipe, *overrides: str, variables: Mapping[str, str] | None = None
    ) -> Path:
        before = set(self._releases())
        done = pipeline(
            f"+release={recipe.release}", f"outputs={quoted(self.outputs)}", *overrides,
            cwd=self.outputs.parent, env=environment(**(variables or {})),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        (made,) = set(self._releases()) - before
        return made

    def _releases(self) -> list[Path]:
        return list(self.outputs.glob("*/*/release"))

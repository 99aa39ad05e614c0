"""A sweep of many variants: in one process, and by workers beside each other.

The jobs are small, so that what is measured is the pipeline's own: composing, checking, reading and
writing records, validating, drawing the board.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import process
from benchmarks.figures import Figure, sweep_figures
from benchmarks.machine import machine
from benchmarks.process import SweepRun
from benchmarks.scales import Scale
from pipeline import files
from tests.experiments import write_lm_experiment

SIGNATURE = "9370b59c"


@dataclass(frozen=True)
class Sweeps:
    """What was found.

    Attributes:
        scale: the sizes that it was run on.
        machine: what it was run on.
        runs: each sweep, by its name.
    """

    scale: Scale
    machine: dict[str, Any]
    runs: Mapping[str, SweepRun]

    @property
    def figures(self) -> list[Figure]:
        """The promises, and what was measured."""
        return sweep_figures(self.runs, self.scale.variants, judged=self.scale.compares)


class SweepSession:
    """Does the measuring in a folder, which it fills and does not clean up."""

    def __init__(self, folder: Path, scale: Scale, say: Callable[[str], None]) -> None:
        """Take an empty folder; ``say`` is told what is done."""
        self.folder, self.scale, self._say = folder, scale, say

    def measure(self) -> Sweeps:
        """Measure everything.

        Raises:
            subprocess.CalledProcessError: when a sweep fails.
        """
        facts = machine(self.folder)
        self._say(f"writing an experiment of {self.scale.variants} epochs")
        codec = "//pretrained/facebook/encodec_32khz"
        write_lm_experiment(
            self.folder / "dora", SIGNATURE, epochs=self.scale.variants, codec=codec
        )
        runs = {"one process": self._swept("basic"), "again": self._swept("basic")}
        files.remove(self.folder / "outputs")
        runs["joblib"] = self._swept("joblib")
        return Sweeps(self.scale, facts, runs)

    def _swept(self, launcher: str) -> SweepRun:
        run = process.swept(
            self.folder,
            process.python(
                "pipeline", "-m", "+release=musicgen_small", "checkpoint=dora",
                f"checkpoint.sig=//sig/{SIGNATURE}", "checkpoint.dora_dir=dora",
                "checkpoint.epoch=all", "push=none", f"hydra/launcher={launcher}",
            ),
        )  # fmt: skip
        self._say(f"{self.scale.variants} variants, {launcher}: {run.seconds:.1f} s")
        return run

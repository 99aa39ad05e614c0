"""Sweeps over the epochs of two experiments, with jobs that can be held, killed and spoilt."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.command import CODEC, LM, ROOT, Place, command, environment
from tests.experiments import write_encodec_experiment, write_lm_experiment

OTHER = "2b3c4d5e"
EPOCHS = {LM: 2, OTHER: 2}
PATIENCE = 120.0


@dataclass(frozen=True)
class Launcher:
    """How the jobs of a sweep are run.

    Attributes:
        choice: what stands after ``hydra/launcher=``.
        variables: of the environment.
    """

    choice: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sweep:
    """A sweep over all epochs of the experiments in a place.

    Attributes:
        place: where they are, and what is released.
        launcher: what runs the jobs.
        options: what else is said on the command line.
    """

    place: Place
    launcher: Launcher
    options: tuple[str, ...] = ()

    @property
    def command(self) -> list[str]:
        return command(
            "-m", *self.place.request, f"checkpoint.sig=//sig/{LM},//sig/{OTHER}",
            "checkpoint.epoch=all", "validate=off", "push=none",
            f"hydra/launcher={self.launcher.choice}", *self.options,
        )  # fmt: skip

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        with self.running() as process:
            printed, said = process.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(self.command, process.returncode, printed, said)

    @contextmanager
    def running(self, **variables: str) -> Iterator[subprocess.Popen[str]]:
        """Run it meanwhile."""
        process = subprocess.Popen(
            self.command, cwd=self.place.root, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment(**self.launcher.variables, **variables),
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def held(self, sig: str, epoch: int) -> Iterator[Held]:
        """Run it, with one job held in its middle, where the language model is complete."""
        folder = self.place.root / "hold"
        folder.mkdir()
        path = os.pathsep.join([str(ROOT / "tests" / "launchers" / "hold"), str(ROOT)])
        at = self.place.outputs / "musicgen_small" / f"{sig}-epoch{epoch}"
        with self.running(PYTHONPATH=path, HOLD=str(folder), HOLD_AT=str(at)) as process:
            try:
                wait_for((folder / "held").exists, process)
                yield Held(folder, process, int((folder / "held").read_text()))
            finally:
                (folder / "go").touch()

    def sums(self) -> dict[str, str]:
        """Give the SHA256SUMS of each variant that was released."""
        return {
            release.parent.name: (release / "SHA256SUMS").read_text()
            for release in self.place.releases()
        }

    def board(self) -> str:
        """Give the board, without the hashes in which the places of the experiments are."""
        board = self.place.outputs / "musicgen_small" / "board.json"
        return re.sub(r"-keep-[0-9a-f]{6}", "-keep", board.read_text())


@dataclass(frozen=True)
class Held:
    """A sweep that runs, with a job that is held.

    Attributes:
        folder: where the job looks whether it may go on.
        driver: the process that the user started.
        pid: the job's process.
    """

    folder: Path
    driver: subprocess.Popen[str]
    pid: int

    def kill(self) -> None:
        """Kill the job, however often it is begun again."""
        (self.folder / "kill").touch()

    def let_go(self) -> None:
        """Let the job go on, and all that come after it."""
        (self.folder / "go").touch()

    def end(self) -> subprocess.CompletedProcess[str]:
        """Wait until the driver has returned."""
        printed, said = self.driver.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess([], self.driver.returncode, printed, said)


def make_sweep(root: Path, launcher: Launcher) -> Sweep:
    """Make two experiments, and what sweeps over their epochs."""
    place = Place(root)
    write_encodec_experiment(place.dora, CODEC)
    for sig, epochs in EPOCHS.items():
        write_lm_experiment(place.dora, sig, epochs=epochs, codec=f"//sig/{CODEC}")
    return Sweep(place, launcher)


def wait_for(ready, process: subprocess.Popen[str] | None = None) -> None:
    """Wait until something is so, unless the driver ends before."""
    end = time.monotonic() + PATIENCE
    while not ready():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)

"""The training subprocess: asked for a signature, started, followed, and stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import TrainingError
from pipeline.stage import Progress
from stages.train.experiment import Training
from stages.train.failure import judge, last_words
from stages.train.lock import TrainingLock
from stages.train.request import Request

LAUNCH = Path(__file__).with_name("launch.py")
PACE = 0.2
"""Seconds between two looks at the history."""
GRACE = 10.0
"""Seconds that a training process has to end by itself."""
_FOREIGN = ("SLURM_", "SUBMITIT_", "MASTER_", "HYDRA_FULL_ERROR")


@dataclass(frozen=True)
class Program:
    """A training package in a subprocess of its own.

    Attributes:
        request: what to train.
        folder: where its experiments go, under a name that Dora can take.
    """

    request: Request
    folder: Path

    def command(self, action: str) -> list[str]:
        """Give the command line."""
        script = [str(self.request.python), str(LAUNCH), action, self.request.package]
        return [*script, str(self.folder), *self.request.overrides]

    @property
    def environment(self) -> dict[str, str]:
        """Give an environment in which a job of ours looks like a run on one process.

        Inside a Slurm or submitit job, Dora would take that job's ranks for its own. The programs
        beside the interpreter come first, as they do where its environment is active.
        """
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
        single = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
        single["PATH"] = os.pathsep.join([str(self.request.python.parent), kept.get("PATH", "")])
        return {**kept, **single, "AUDIOCRAFT_DORA_DIR": str(self.folder)}

    def training(self, dora_dir: Path) -> Training:
        """Ask for the experiment; takes the seconds that the package's imports take.

        Raises:
            TrainingError: when the package cannot be imported, or refuses the overrides.
        """
        request = self.request
        done = subprocess.run(
            self.command("signature"), cwd=request.folder, env=self.environment,
            stdin=subprocess.DEVNULL, capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            answer = json.loads(done.stdout)
            return Training(dora_dir, answer["signature"], answer["epochs"] or request.epochs)
        log = dora_dir / f"{request.package}.log"
        log.write_bytes(done.stderr)
        raise TrainingError(
            f"{request.package} cannot be trained: {last_words(log, 0, done.returncode)}",
            f"The whole output is in {log}",
            "Check checkpoint.package and checkpoint.overrides.",
        )

    def train(self, training: Training, lock: TrainingLock, progress: Progress) -> None:
        """Train what is missing, and show every epoch.

        Raises:
            TrainingError: when the process fails, or ends too early.
        """
        label = f"training {self.request.name}"
        with training.log.open("ab") as log:
            start = log.tell()
            child = self._start(log, lock)
            try:
                lock.tell(child.pid)
                with progress.task(label, training.epochs, "epochs") as task:
                    seen = 0
                    while True:
                        ended = _ended(child)
                        if epochs := len(training.history) - seen:
                            seen += epochs
                            task.advance(epochs)
                            task.say(training.metric)
                        if ended:
                            break
            except BaseException:
                stop(child)
                raise
        judge(self.request.package, training, child.returncode, start)

    def _start(self, log: BinaryIO, lock: TrainingLock) -> subprocess.Popen[bytes]:
        environment: Mapping[str, str] = self.environment
        return subprocess.Popen(
            self.command("run"), cwd=self.request.folder, env=environment,
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            pass_fds=(lock.descriptor,),
            start_new_session=True,  # Ctrl-C reaches us alone, and we stop all its processes
        )  # fmt: skip


def stop(child: subprocess.Popen[bytes]) -> None:
    """End a training process and what it started: politely first, then for good."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if child.poll() is None:
            os.killpg(child.pid, number)
            try:
                child.wait(GRACE)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                continue  # an impatient second Ctrl-C must not leave it running


def _ended(child: subprocess.Popen[bytes]) -> bool:
    try:
        child.wait(PACE)
    except subprocess.TimeoutExpired:
        return False
    return True

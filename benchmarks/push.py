"""A push to a Hub on the loopback, held against a plain PUT and against the client alone.

All three send the same file to the same server, which keeps it on the same disk.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import cache, process
from benchmarks.figures import Figure, push_figures
from benchmarks.loopback import Loopback, loopback
from benchmarks.machine import machine
from benchmarks.process import Measured
from benchmarks.scales import Scale
from pipeline import files
from pipeline.files import BUFFER
from pipeline.layout import Outputs, Run
from pipeline.manifest import FileDigest, format_sums

METHODS: Mapping[str, str] = {
    "push": "push=hub: look, send, commit, verify, tag",
    "put": "a plain PUT of the file",
    "client": "create_commit of huggingface_hub",
}
"""What each does, by the name of its function in `benchmarks.work`."""

_CARD = "---\nlicense: mit\n---\n\n# A model to be sent\n"


@dataclass(frozen=True)
class Pushes:
    """What was found.

    Attributes:
        scale: the sizes that it was run on.
        machine: what it was run on.
        timings: the runs of each method; their results are the bytes that it read from files.
        memory: the peak of anonymous memory of each method's whole process, in bytes.
    """

    scale: Scale
    machine: dict[str, Any]
    timings: Mapping[str, Sequence[Measured]]
    memory: Mapping[str, int]

    @property
    def figures(self) -> list[Figure]:
        """The promises, and what was measured."""
        size = self.scale.pushed
        return push_figures(self.timings, self.memory, size, judged=self.scale.compares)


class PushSession:
    """Does the measuring in a folder, which it fills and does not clean up."""

    def __init__(
        self, folder: Path, scale: Scale, repeats: int, say: Callable[[str], None]
    ) -> None:
        """Take an empty folder, and how often to do each thing; ``say`` is told what is done."""
        self.folder, self.scale, self.repeats, self._say = folder, scale, repeats, say
        self._run = run_to_push(folder)
        self._hub = folder / "hub"
        self._sent = 0

    def measure(self) -> Pushes:
        """Measure everything.

        Raises:
            subprocess.CalledProcessError: when a method fails.
        """
        facts = machine(self.folder)
        self._say(f"writing a release of {self.scale.pushed / 1e9:.2f} GB")
        write_release(self._run, self.scale.pushed)
        timings = defaultdict[str, list[Measured]](list)
        turns = list(METHODS)
        with loopback(self._hub) as hub:
            for repeat in range(1, self.repeats + 1):
                for name in turns:
                    timings[name].append(process.timed(self.folder, *self._arguments(name, hub)))
                turns = [*turns[1:], turns[0]]  # so that no one always follows the same other
                took = ", ".join(f"{name} {runs[-1].seconds:.2f}" for name, runs in timings.items())
                self._say(f"push, repeat {repeat} of {self.repeats}, seconds: {took}")
            memory = {
                name: process.peak_of(
                    self.folder, process.python("benchmarks.work", *self._arguments(name, hub))
                )
                for name in METHODS
            }
        return Pushes(self.scale, facts, timings, memory)

    def _arguments(self, name: str, hub: Loopback) -> list[str]:
        """Give the arguments of a method that sends to a repository of its own."""
        files.remove(self._hub / "repositories")  # what the one before has sent
        os.sync()  # and what is left to write of it is not this one's
        cache.fill(self._run.release.state_dict)
        self._sent += 1
        return [name, str(self._run.root), hub.endpoint, hub.token, f"lab/sent-{self._sent}"]


def run_to_push(folder: Path) -> Run:
    """Give the place of a release below a folder."""
    return Run(folder / "to_push" / "variant", Outputs(folder))


def write_release(run: Run, size: int) -> None:
    """Write what a push starts from: weights of random bytes, their digest, and a card."""
    release = run.release
    release.root.mkdir(parents=True)
    with release.state_dict.open("wb") as file:
        for start in range(0, size, BUFFER):
            file.write(os.urandom(min(BUFFER, size - start)))
    digest: FileDigest = files.file_digest(release.state_dict)
    release.sums.write_text(format_sums({release.state_dict.name: digest}), "utf-8")
    release.card.write_text(_CARD, "utf-8")

"""One run of the benchmark, from the checkpoint to the results."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import cache, process
from benchmarks.checkpoint import write_checkpoint
from benchmarks.figures import Figure, Memory, Timings, memory_figures, time_figures
from benchmarks.machine import machine
from benchmarks.methods import (
    AUDIOCRAFT,
    CHECKPOINT,
    EXPORTED,
    OUTPUTS,
    TARGET,
    TEMPERATURES,
    Method,
    Temperature,
    export,
    methods,
    release,
)
from benchmarks.process import Measured
from benchmarks.profile import Row
from benchmarks.scales import Scale
from pipeline import files
from pipeline.errors import OutputError, ValidationError

DTYPES = ("float32", "float16")


@dataclass(frozen=True)
class Results:
    """What a run found.

    Attributes:
        scale: the sizes that it was run on.
        machine: what it was run on.
        sizes: bytes of the checkpoint, the float32 export, and the larger checkpoint.
        cached: the share of the source in the page cache before a cold run, at worst.
        timings: all runs.
        memory: peaks.
        rates: of an export's steps alone, in gigabytes per second.
        profiles: where an export's threads are, by dtype.
    """

    scale: Scale
    machine: dict[str, Any]
    sizes: dict[str, int]
    cached: float
    timings: Timings
    memory: Memory
    rates: dict[str, float]
    profiles: dict[str, list[Row]]

    @property
    def figures(self) -> list[Figure]:
        """The promises, and what was measured."""
        judged = self.scale.compares
        times = time_figures(self.timings, judged=judged)
        return [*times, *memory_figures(self.memory, judged=judged)]


class Session:
    """Does the measuring in a folder, which it fills and does not clean up."""

    def __init__(
        self, folder: Path, scale: Scale, repeats: int, say: Callable[[str], None]
    ) -> None:
        """Take an empty folder, and how often to do each thing; ``say`` is told what is done."""
        self.folder, self.scale, self.repeats, self._say = folder, scale, repeats, say
        self._cached = 0.0
        self._sha256: dict[str, str] = {}

    def run(self) -> Results:
        """Measure everything.

        Raises:
            OutputError: when the disk is too small.
            ValidationError: when two runs of one method gave different bytes.
            subprocess.CalledProcessError: when a method fails.
        """
        self._demand_space()
        facts = machine(self.folder)
        self._write(optimizer=True)
        self._work(*export("float32"))
        (self.folder / TARGET).rename(self.folder / EXPORTED)
        sizes = {"checkpoint": self._size(CHECKPOINT), "exported": self._size(EXPORTED)}
        timings = self._timings()
        self._say("rates of the steps alone, and where the time goes")
        rates = self._work("rates", EXPORTED, TARGET).result
        profiles = {dtype: self._profile(dtype) for dtype in DTYPES}
        self._say("memory")
        exports = self._peaks()
        self._clear()
        audiocraft = process.peak_above_imports(self.folder, *AUDIOCRAFT)
        command = {dtype: self._peak_of_command(dtype) for dtype in DTYPES}
        files.remove(self.folder / EXPORTED)
        self._write(optimizer=False)
        self._say("memory, larger model")
        return Results(
            self.scale,
            facts,
            {**sizes, "larger": self._size(CHECKPOINT)},
            self._cached,
            timings,
            Memory(exports, self._peaks(), command, audiocraft),
            rates,
            profiles,
        )

    def _demand_space(self) -> None:
        free, needed = files.free_bytes(self.folder), self.scale.bytes_needed
        if free < needed:
            raise OutputError(
                f"The disk is too full: {_gigabytes(needed)} needed, {_gigabytes(free)} free.",
                str(self.folder.parent),
                "Choose another disk or a smaller model: --folder /path/to/folder, --scale small",
            )

    def _write(self, *, optimizer: bool) -> None:
        model = self.scale.model if optimizer else self.scale.larger
        size = _gigabytes(model.parameters * (16 if optimizer else 4))
        self._say(f"writing a checkpoint: {model.parameters / 1e6:.1f}M parameters, {size}")
        files.remove(self.folder / CHECKPOINT)
        write_checkpoint(self.folder / CHECKPOINT, model, optimizer=optimizer)

    def _timings(self) -> Timings:
        timings = defaultdict[tuple[str, Temperature], list[Measured]](list)
        turns = methods()
        for repeat in range(1, self.repeats + 1):
            for temperature in TEMPERATURES:
                for method in turns:
                    timings[method.name, temperature].append(self._timed(method, temperature))
                last = {each.name: timings[each.name, temperature][-1].seconds for each in turns}
                took = ", ".join(f"{name} {seconds:.2f}" for name, seconds in last.items())
                self._say(f"repeat {repeat} of {self.repeats}, {temperature}, seconds: {took}")
            turns = [*turns[1:], turns[0]]  # so that no one always follows the same other
        return timings

    def _timed(self, method: Method, temperature: Temperature) -> Measured:
        source = self.folder / method.source
        self._clear()
        os.sync()  # what others left to write is not this one's
        if temperature == "warm":
            cache.fill(source)
        else:
            cache.drop(source)
            self._cached = max(self._cached, cache.cached(source))
        measured = self._work(*method.arguments)
        if isinstance(measured.result, str) and method.name != "audiocraft":
            self._demand_same(method, measured.result)
        return measured

    def _demand_same(self, method: Method, sha256: str) -> None:
        """Make sure that what was fast was also right."""
        kind = "float16" if method.name == "float16" else "float32"
        first = self._sha256.setdefault(kind, sha256)
        if sha256 != first:
            raise ValidationError(
                f"{method.what}: the bytes are not those of the {kind} export before it.",
                f"{sha256}, not {first}",
                "Measure nothing before this is understood.",
            )

    def _work(self, *arguments: str) -> Measured:
        self._clear()
        return process.timed(self.folder, *arguments)

    def _profile(self, dtype: str) -> list[Row]:
        cache.drop(self.folder / CHECKPOINT)
        rows: list[Row] = self._work("profile", *export(dtype)[1:]).result
        return rows

    def _peaks(self) -> dict[str, int]:
        return {dtype: self._above_imports(*export(dtype)) for dtype in DTYPES}

    def _above_imports(self, *arguments: str) -> int:
        found = []
        for _ in range(self.repeats):  # how many blocks wait for the hash differs
            self._clear()
            found.append(process.peak_above_imports(self.folder, *arguments))
        return max(found)

    def _peak_of_command(self, dtype: str) -> int:
        self._clear()
        return process.peak_of(self.folder, process.python(*release(dtype)))

    def _clear(self) -> None:
        """Remove what a method left; what is not on the disk yet never need be."""
        for name in (TARGET, OUTPUTS):
            files.remove(self.folder / name)

    def _size(self, name: str) -> int:
        return (self.folder / name).stat().st_size


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB"

"""The figures that the project promises, and whether a measurement keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.methods import Temperature
from benchmarks.process import Measured, SweepRun

Timings = Mapping[tuple[str, Temperature], Sequence[Measured]]
"""The runs of each method, by its name and temperature."""

MEGA = 1_000_000


@dataclass(frozen=True)
class Figure:
    """One promise.

    Attributes:
        name: what is measured.
        unit: ``x`` for a ratio, ``MB`` (a million bytes), or ``s``.
        value: what was measured: the median time, the ratio of two medians, or the most memory.
        least: the same of the minima; ``None`` for memory.
        limit: the most that ``value`` may be; ``None`` where nothing is promised.
    """

    name: str
    unit: str
    value: float
    least: float | None = None
    limit: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the promise is kept; ``None`` where there is none."""
        return None if self.limit is None else self.value <= self.limit


@dataclass(frozen=True)
class Memory:
    """Peaks of anonymous memory, in bytes.

    Attributes:
        exports: above imports, by dtype; of the model whose export is timed.
        larger: the same of the larger model.
        command: of the whole process of the command, by dtype.
        audiocraft: above imports, of the stand-in for AudioCraft's way.
    """

    exports: Mapping[str, int]
    larger: Mapping[str, int]
    command: Mapping[str, int]
    audiocraft: int


_MEMORY_LIMITS = {"float32": 32.0, "float16": 64.0}
_SAME = 8.0
"""By how many megabytes two peaks may differ and be the same: blocks that happened to wait."""


def time_figures(timings: Timings, *, judged: bool) -> list[Figure]:
    """Give the figures of time; without limits when they are not to be judged."""

    def ratio(name: str, method: str, other: str, limit: float | None = None) -> Figure:
        mine, theirs = seconds(timings[method, "cold"]), seconds(timings[other, "cold"])
        return Figure(
            name,
            "x",
            median(mine) / median(theirs),
            min(mine) / min(theirs),
            limit if judged else None,
        )

    figures = [
        ratio("float32, cold, against cp and sha256sum", "float32", "cp_sha256sum", 1.1),
        ratio("float32, cold, against cp and hashlib", "float32", "cp_hashlib"),
        ratio("float32, cold, against cp and sync, unhashed", "float32", "cp_sync"),
        ratio("float32, cold, against AudioCraft's way", "float32", "audiocraft", 0.25),
        ratio("float16, cold, against cp of float32", "float16", "cp", 1.5),
        ratio("float16, cold, against reading and writing alone", "float16", "transfer"),
        ratio("reading and writing alone, cold, against cp", "transfer", "cp"),
    ]
    if ("inspect", "cold") in timings:
        took, limit = seconds(timings["inspect", "cold"]), 1.0 if judged else None
        name = "python -m pipeline.inspect, cold"
        figures.append(Figure(name, "s", median(took), min(took), limit))
    return figures


def memory_figures(memory: Memory, *, judged: bool) -> list[Figure]:
    """Give the figures of memory; that of growth without a limit when it is not to be judged."""
    figures, same = [], _SAME if judged else None
    for dtype, limit in _MEMORY_LIMITS.items():
        here, there = memory.exports[dtype] / MEGA, memory.larger[dtype] / MEGA
        name = f"memory above imports, {dtype}"
        figures += [
            Figure(name, "MB", here, limit=limit),
            Figure(f"{name}, larger model", "MB", there, limit=limit),
            Figure(f"{name}, growth to the larger model", "MB", there - here, limit=same),
        ]
    for dtype, held in memory.command.items():
        name = f"memory of the whole command, {dtype}"
        figures.append(Figure(name, "MB", held / MEGA, limit=96.0))
    audiocraft = Figure("memory above imports, AudioCraft's way", "MB", memory.audiocraft / MEGA)
    return [*figures, audiocraft]


def push_figures(
    timings: Mapping[str, Sequence[Measured]],
    memory: Mapping[str, int],
    size: int,
    *,
    judged: bool,
) -> list[Figure]:
    """Give the figures of a push.

    Args:
        timings: the runs by method: ``push``, ``put`` and ``client``.
        memory: the peak of each method's process, in bytes.
        size: of the file that is sent.
        judged: whether times, and what else drowns in the work around a small file, have limits.
    """
    mine = seconds(timings["push"])

    def ratio(name: str, method: str, limit: float | None = None) -> Figure:
        other = seconds(timings[method])
        value, least = median(mine) / median(other), min(mine) / min(other)
        return Figure(name, "x", value, least, limit if judged else None)

    read = max(int(run.result) for run in timings["push"]) / size
    above = (memory["push"] - memory["client"]) / MEGA
    return [
        ratio("push=hub against a plain PUT of the file", "put", 1.25),
        ratio("push=hub against create_commit of the client", "client"),
        Figure("push=hub, bytes read for each byte sent", "x", read, limit=1.1 if judged else None),
        Figure("memory of push=hub above create_commit of the client", "MB", above, limit=64.0),
    ]


def sweep_figures(runs: Mapping[str, SweepRun], variants: int, *, judged: bool) -> list[Figure]:
    """Give the figures of sweeps of so many variants: ``one process``, ``again``, ``joblib``."""
    limit = 1.0 if judged else None  # of a few jobs the time is that of the driver's beginning
    alone, again, workers = runs["one process"], runs["again"], runs["joblib"]
    return [
        Figure("a sweep, in one process, per job", "s", alone.seconds / variants),
        Figure("the same sweep again, per job", "s", again.seconds / variants, limit=limit),
        Figure("a sweep by joblib against one process", "x", workers.seconds / alone.seconds),
        Figure("memory of one process", "MB", alone.driver / MEGA),
        Figure(
            "memory of one process, again, without torch", "MB", again.driver / MEGA, limit=150.0
        ),
        Figure("memory of a worker", "MB", workers.worker / MEGA),
    ]


def seconds(runs: Sequence[Measured]) -> list[float]:
    """Give the times of the work alone."""
    return [run.seconds for run in runs]

"""What an experiment has on disk: its checkpoints with their sizes, and how far it came."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stages.common.best import Best, best_of
from stages.common.dora_folder import DoraFolder
from stages.common.experiments import Experiment, is_signature
from stages.common.sharded import ranks_beside


@dataclass(frozen=True)
class CheckpointFile:
    """One file of an experiment.

    Attributes:
        epoch: in its name; ``None`` for the last one, and for what is not complete.
        path: where it is, absolute.
        size: in bytes.
        ranks: the files of the other ranks of an FSDP run, beside it.
        total: the bytes of all of them together.
    """

    epoch: int | None
    path: Path
    size: int
    ranks: tuple[Path, ...] = ()
    total: int = 0

    @classmethod
    def of(cls, epoch: int | None, path: Path) -> CheckpointFile:
        """Look at a file and those of the other ranks."""
        size, ranks = path.stat().st_size, tuple(ranks_beside(path).values())
        total = size + sum(rank.stat().st_size for rank in ranks)
        return cls(epoch, path.absolute(), size, ranks, total)


@dataclass(frozen=True)
class ExperimentFolder:
    """One experiment on disk.

    Attributes:
        signature: its name.
        folder: where it is, absolute.
        epochs: how many its history counts.
        best: the best of them.
        checkpoints: by epoch, the last one at the end.
    """

    signature: str
    folder: Path
    epochs: int
    best: Best | None
    checkpoints: tuple[CheckpointFile, ...]

    @classmethod
    def of(cls, experiment: Experiment) -> ExperimentFolder:
        """Look at an experiment, without opening a checkpoint."""
        history = experiment.history
        return cls(
            experiment.sig,
            experiment.folder.absolute(),
            len(history),
            best_of(history),
            tuple(CheckpointFile.of(epoch, path) for epoch, path in experiment.checkpoints.items()),
        )


def experiments_in(dora_dir: Path) -> tuple[ExperimentFolder, ...]:
    """Look at every experiment of a Dora folder."""
    names = sorted(path.name for path in DoraFolder(dora_dir).xps.iterdir() if path.is_dir())
    return tuple(
        ExperimentFolder.of(Experiment(dora_dir, name)) for name in names if is_signature(name)
    )


def experiment_of(path: Path) -> Experiment | None:
    """Give the experiment whose folder this is, ``<dora_dir>/xps/<SIG>``."""
    path = path.absolute()
    dora = DoraFolder.around(path.parent)
    return Experiment(dora.root, path.name) if dora and is_signature(path.name) else None

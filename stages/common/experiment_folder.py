"""What an experiment has on disk: its checkpoints with their sizes, and how far it came."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stages.common.best import Best, best_of
from stages.common.dora_folder import DoraFolder
from stages.common.experiments import Experiment, is_signature
from stages.common.sharded import ranks_beside

_RANK = re.compile(r"\.th\.[0-9]")


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
    def of(cls, epoch: int | None, path: Path, alone: bool = False) -> CheckpointFile:
        """Look at a file and those of the other ranks, unless it is known to be ``alone``."""
        size = path.stat().st_size
        ranks = () if alone else tuple(ranks_beside(path).values())
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
            checkpoint_files(experiment),
        )


def checkpoint_files(experiment: Experiment) -> tuple[CheckpointFile, ...]:
    """Look at the checkpoints by epoch, the last one at the end."""
    there, found = experiment.checkpoints, []
    # To look for the other ranks of each takes as long as all the rest.
    alone = bool(there) and not any(map(_RANK.search, os.listdir(experiment.folder)))
    for epoch, path in there.items():
        with suppress(FileNotFoundError):  # a run keeps only the last few, and may be at it
            found.append(CheckpointFile.of(epoch, path, alone and not path.is_symlink()))
    return tuple(found)


def experiment_of(path: Path) -> Experiment | None:
    """Give the experiment whose folder this is, ``<dora_dir>/xps/<SIG>``."""
    path = path.absolute()
    dora = DoraFolder.around(path.parent)
    return Experiment(dora.root, path.name) if dora and is_signature(path.name) else None

"""What was asked about something, and what was found: the values behind ``pipeline.inspect``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.layout import Outputs
from pipeline.sheet import Remark
from stages.common.experiment_folder import ExperimentFolder
from stages.common.listed_experiment import ListedExperiment
from stages.common.model_file import ModelFile
from stages.common.prospect import Prospect
from stages.common.release_folder import Release


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        what: a path, a signature, an https:// address or a Hub id.
        dora_dir: the folder that holds ``xps``.
        outputs: where runs write; downloads from addresses are kept there.
        revision: of a Hub id.
        tensors: the names of the states whose tensors are to be listed.
    """

    what: str
    dora_dir: Path | None
    outputs: Outputs
    revision: str = "main"
    tensors: frozenset[str] = frozenset()


@dataclass(frozen=True)
class RunFolder:
    """A run of the pipeline: ``outputs/<release>/<variant>``, and the stages that are done."""

    folder: Path
    release: str
    variant: str
    stages: tuple[str, ...]


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Attributes:
        what: as it was asked.
        kind: ``checkpoint``, ``experiment``, ``experiments``, ``release``, ``run``, ``file`` (of
            weights that were exported), ``legacy`` or ``unreadable``.
        path: the file or folder.
        models: the files with models, each described; a release has two.
        experiment: the run that a checkpoint belongs to.
        experiments: all those of a Dora folder.
        release: what a release says of itself.
        run: the run of the pipeline that a folder is.
        prospect: the release that could be made of it.
        load: how it is loaded, where it is one already.
        remarks: what is wrong.
    """

    what: str
    kind: str
    path: Path
    models: tuple[ModelFile, ...] = ()
    experiment: ExperimentFolder | None = None
    experiments: tuple[ListedExperiment, ...] = ()
    release: Release | None = None
    run: RunFolder | None = None
    prospect: Prospect | None = None
    load: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing keeps it from being released, or used."""
        return not any(remark.severity == "problem" for remark in self.remarks)

"""The experiment that a signature on a command line means, wherever it is."""

from __future__ import annotations

import shlex
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.layout import Outputs
from pipeline.paths import bare_signature
from stages.common.dora_folder import DoraFolder
from stages.common.experiments import Experiment, find_experiment, is_signature


def experiment_named(what: str, dora_dir: Path | None, outputs: Outputs) -> Experiment:
    """Find an experiment by its signature, also among those that runs here have trained.

    Args:
        what: ``//sig/SIG`` or ``SIG``.
        dora_dir: the folder that holds ``xps``, where one is given.
        outputs: where runs write.

    Raises:
        SourceError: when it is no signature, or there is none; names those that are near.
    """
    signature = bare_signature(what)
    if not is_signature(signature):
        raise SourceError(
            f"{what} is no signature: it should be eight hex digits.",
            hint="python -m pipeline.inspect FOLDER lists those in a Dora folder.",
        )
    for place in filter(None, (dora_dir, outputs.dora)):
        if Experiment(place, signature).folder.is_dir():
            return Experiment(place.absolute(), signature)
    if dora_dir is None:
        raise SourceError(
            f"{what} is an experiment; where is it?",
            "--dora-dir is not given, and AUDIOCRAFT_DORA_DIR is not set",
            "Give the folder that holds xps: --dora-dir /path/to/dora",
        )
    if not DoraFolder(dora_dir).xps.is_dir():
        above = DoraFolder.around(dora_dir) if dora_dir.is_dir() else None
        raise SourceError(
            "The Dora folder has no xps folder in it.",
            str(dora_dir.absolute()),
            f"Did you mean --dora-dir {shlex.quote(str(above.root))}?" if above else "",
        )
    return find_experiment(dora_dir.absolute(), signature)

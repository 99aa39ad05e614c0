"""Where on this machine the models are that a release was made of.

No release says: nothing local is published. The run that made it knows, where the release still
lies in it; else a person says, or an experiment is found by its signature.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import FormatError, SourceError
from pipeline.layout import Outputs, Run
from pipeline.paths import bare_signature, expanded
from stages.common.archive import Archive, is_zip
from stages.common.claims import manifest_in
from stages.common.copies import Copy, FolderCopy
from stages.common.experiment_folder import experiment_of
from stages.common.experiments import PREFIX, Experiment, is_signature
from stages.common.named_experiment import experiment_named


@dataclass(frozen=True)
class KnownPlaces:
    """What is known of places here.

    Attributes:
        run: the run that the release lies in.
        dora_dir: the folder that holds ``xps``, as a person gives it; then no other counts.
        usual: the same as the environment has it, where nothing is known of another.
        source: where the checkpoint is now, as a person gives it.
        codec: where the codec is now, as a person gives it.
    """

    run: Run | None = None
    dora_dir: Path | None = None
    source: str | None = None
    codec: str | None = None
    usual: Path | None = None

    def experiment(self, signature: str, option: str) -> Experiment:
        """Find an experiment: in the folder that is given, else where the run had it.

        Raises:
            SourceError: when it is in none of them.
        """
        for folder in self._dora_dirs() if is_signature(signature) else ():
            if Experiment(folder, signature).folder.is_dir():
                return Experiment(folder, signature)
        if (given := self.dora_dir or self.usual) is not None:
            return experiment_named(f"{PREFIX}{signature}", given, Outputs(given))
        raise SourceError(
            f"The release was made of the experiment {PREFIX}{signature}; where is it?",
            "--dora-dir is not given, and AUDIOCRAFT_DORA_DIR is not set",
            f"--dora-dir FOLDER, the one that holds xps, or {option} FILE",
        )

    def trained(self, signature: str) -> Experiment | None:
        """Give an experiment that a run of the pipeline has trained; ``None`` where it is not."""
        for folder in self._dora_dirs() if is_signature(signature) else ():
            if Experiment(folder, signature).last_checkpoint.is_file():
                return Experiment(folder.resolve(), signature)
        return None

    def collected(self, archive: str | None, signature: str | None) -> Path:
        """Find a checkpoint that was released as a file.

        Args:
            archive: the digest of its directory.
            signature: of the experiment that it says it is of.

        Raises:
            SourceError: when it is nowhere.
        """
        there = self._local("collect").get("path")
        if there and Path(there).is_file():
            return Path(there)
        for folder in self._dora_dirs() if signature and is_signature(signature) else ():
            found = list(Experiment(folder, str(signature)).checkpoints.values())
            same = [path for path in found if _directory(path) == archive]
            if found:
                return [*same, found[-1]][0]
        where = str(there) if there else "it was a file, and a release says nothing of places"
        raise SourceError(
            "The checkpoint that the release was made of is not here.",
            where,
            "Say where it is now: --source FILE",
        )

    def own_codec(self, signature: str | None) -> Path | None:
        """Give the file that the run took the codec from, while it is there.

        Args:
            signature: of the codec's experiment, which a folder that is given has to have.
        """
        if signature is not None and self.dora_dir is not None:
            return None
        there = self._local("export_compression").get("path")
        return Path(there) if there and Path(there).is_file() else None

    def asked(self, group: str) -> Mapping[str, Any]:
        """Give what the run was asked for in a config group; paths are absolute."""
        if self.run is None:
            return {}
        try:
            config = yaml.safe_load(self.run.config.read_text("utf-8"))
            outputs, node = expanded(str(config["outputs"])), config[group]
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
            return {}
        # The folder from which it was typed: the run lies in <that>/<outputs>/NAME/VARIANT.
        above, depth = self.run.outputs.root, len(outputs.parts)
        base = above if outputs.is_absolute() else above.parents[depth - 1] if depth else above
        return {key: _absolute(value, base) for key, value in node.items()}

    def _dora_dirs(self) -> Iterator[Path]:
        if self.dora_dir is not None:
            yield self.dora_dir
            return
        recorded = self._local("collect").get("dora_dir")
        if recorded:
            yield Path(recorded)
        if self.usual is not None:
            yield self.usual
        if self.run is not None:
            yield self.run.outputs.dora

    def _local(self, stage: str) -> Mapping[str, Any]:
        """Give what the record of a stage keeps for this machine alone."""
        if self.run is None:
            return {}
        try:
            local = manifest_in(self.run.record(stage).read_bytes(), "stage.json").get("local")
        except (OSError, FormatError):
            return {}
        return local if isinstance(local, Mapping) else {}


def run_around(what: str, copy: Copy) -> Run | None:
    """Give the run that a release lies in, or whose receipt led to it; ``None`` for neither."""
    typed = expanded(what).absolute()
    if typed.is_file():
        found = Run(typed.parent.parent, Outputs(typed.parent.parent.parent.parent))
        return found if typed == found.push.receipt else None
    if not isinstance(copy, FolderCopy):
        return None
    folder = copy.folder.absolute()
    found = Run(folder.parent, Outputs(folder.parent.parent.parent))
    return found if folder == found.release.root and found.record("collect").is_file() else None


def experiment_at(what: str) -> Experiment | None:
    """Give the experiment whose folder, or whose own checkpoint, a path is."""
    path = expanded(what).absolute()
    return experiment_of(path) or (experiment_of(path.parent) if path.is_file() else None)


def signature_in(what: str) -> str | None:
    """Give the signature that a text is, unless it is the name of a file."""
    text = bare_signature(what)
    there = not what.startswith(PREFIX) and expanded(what).exists()
    return text if is_signature(text) and not there else None


def _directory(path: Path) -> str | None:
    if not is_zip(path):
        return None
    try:
        with Archive.open(path) as archive:
            return archive.directory_digest
    except FormatError:
        return None


def _absolute(value: Any, base: Path) -> Any:
    """Make a path of the request absolute, where it is one that is there."""
    if (
        isinstance(value, str)
        and value
        and "://" not in value
        and (base / expanded(value)).exists()
    ):
        return str(base / expanded(value))
    return value

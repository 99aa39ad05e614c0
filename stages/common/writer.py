"""Writing torch archives without torch, in one pass: read, verify, cast, check, hash, write.

The bytes are those of ``torch.save(root, file_object)`` of torch 2.13 for plain dicts of plain
tensors, but for ``.data/serialization_id``, which is fixed: torch makes it from a hash that is not
the same everywhere, and only logs it.

Four threads share the work, a few megabytes apart: one reads and verifies, one casts, one writes,
one hashes. All let go of Python's lock while they are at a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.manifest import FileDigest
from stages.common.ahead import ahead
from stages.common.casting import cast
from stages.common.checksum import crc32
from stages.common.finite import all_finite
from stages.common.hashed_file import hashed_file
from stages.common.packing import ALIGNMENT, Packer
from stages.common.pickler import Pickled, Weight, pickled
from stages.common.unfit import Unfit

__all__ = ["Weight", "Written", "size_of", "write_archive"]

_BEFORE = {".format_version": b"1", ".storage_alignment": b"%d" % ALIGNMENT, "byteorder": b"little"}
_AFTER = {"version": b"3\n", ".data/serialization_id": b"0" * 40}


@dataclass(frozen=True)
class Written:
    """What is known of a file once it is written.

    Attributes:
        digest: its size and sha256.
        nonfinite: the names of the tensors that hold NaN or Inf, or whose values overflowed.
    """

    digest: FileDigest
    nonfinite: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, list[str]]:
        """What a record says of it beside the digest: nothing, where all is finite."""
        return {"nonfinite": list(self.nonfinite)} if self.nonfinite else {}


def write_archive(
    path: Path,
    root: Mapping[str, Any],
    advance: Callable[[int], None] | None = None,
    *,
    allow_nonfinite: bool = False,
) -> Written:
    """Write a root to a file that is whole or absent, and give its digest.

    Args:
        path: the file; replaced if it is there.
        root: nested dicts of text, numbers, booleans, None and `Weight`.
        advance: told the bytes written, `size_of` in all.
        allow_nonfinite: write NaN and Inf all the same.

    Raises:
        FormatError: naming the tensors that are damaged, hold NaN or Inf, or overflow in a cast.
        OSError: when the disk takes no more.
    """
    content, unfit = pickled(root), Unfit()
    with (
        hashed_file(path, advance) as file,
        closing(ahead(_read(content))) as blocks,
    ):

        def copy(packer: Packer, name: str, weight: Weight) -> int:
            return _copy(packer, name, weight, blocks, unfit)

        _pack(Packer(file.write), content, copy)
        digest = file.digest()
        if not allow_nonfinite:
            unfit.demand_none()
    return Written(digest, unfit.names)


def size_of(root: Mapping[str, Any]) -> int:
    """Give the bytes that the file will take, without reading a tensor."""

    def count(packer: Packer, _: str, weight: Weight) -> int:
        packer.skip(weight.nbytes)
        return 0

    packer = Packer(lambda _: None)
    _pack(packer, pickled(root), count)
    return packer.position


def _pack(packer: Packer, content: Pickled, put: Callable[[Packer, str, Weight], int]) -> None:
    """Write all records in torch's order; ``put`` writes a tensor's bytes and gives their CRC."""
    for name, small in {"data.pkl": content.content, **_BEFORE}.items():
        _put_small(packer, name, small)
    for number, (name, weight) in enumerate(content.storages):
        packer.begin(f"data/{number}", weight.nbytes)
        packer.end(put(packer, name, weight))
    for name, small in _AFTER.items():
        _put_small(packer, name, small)
    packer.close()


def _put_small(packer: Packer, name: str, content: bytes) -> None:
    packer.begin(name, len(content))
    packer.write(content)
    packer.end(crc32(content))


def _read(content: Pickled) -> Iterator[memoryview | None]:
    """Read all tensors, one after the other; ``None`` says that one is complete and verified."""
    for _, weight in content.storages:
        yield from weight.tensor.blocks()
        weight.tensor.forget()
        yield None


def _copy(
    packer: Packer,
    name: str,
    weight: Weight,
    blocks: Iterator[memoryview | None],
    unfit: Unfit,
) -> int:
    """Write the next tensor of ``blocks``; give the CRC-32 of what was written."""
    source, target = weight.tensor.dtype, weight.written
    finite, overflowed, crc = True, 0, 0
    while (block := next(blocks)) is not None:
        if source == target:
            finite = finite and all_finite(block, source)
        else:
            made = cast(block, source, target)
            block, finite = made.block, finite and made.finite
            overflowed += made.overflowed
        packer.write(block)
        if weight.known_crc is None:
            crc = crc32(block, crc)
    unfit.add(name, weight.tensor.path, finite, overflowed, target)
    return crc if weight.known_crc is None else weight.known_crc

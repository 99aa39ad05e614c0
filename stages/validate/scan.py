"""One pass over all the weights of a file: are the bytes those that were written, are they numbers?

Memory stays at one block, a megabyte.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import FormatError
from pipeline.files import BUFFER
from stages.common.archive import Archive
from stages.common.finite import all_finite
from stages.common.tensors import TensorRef


@dataclass(frozen=True)
class Scan:
    """What one pass found.

    Attributes:
        damaged: one line for each record whose bytes do not match its checksum.
        infinite: the names of tensors that hold NaN or Inf.
    """

    damaged: tuple[str, ...]
    infinite: tuple[str, ...]


def scan(archive: Archive, tensors: dict[str, TensorRef], advance: Callable[[int], None]) -> Scan:
    """Read every record of an archive; ``advance`` is told the bytes."""
    damaged = _beside_the_weights(archive.path, {ref.record for ref in tensors.values()})
    infinite = []
    for name, ref in tensors.items():
        try:
            if not _finite(archive, ref, advance):
                infinite.append(name)
        except FormatError as error:
            damaged.append(f"{name}: {error.what}")
    return Scan(tuple(damaged), tuple(infinite))


def _finite(archive: Archive, ref: TensorRef, advance: Callable[[int], None]) -> bool:
    """Read a tensor to its end, so that its checksum is verified, whatever it holds."""
    finite = True
    for block in archive.blocks(ref):
        advance(len(block))
        finite = finite and all_finite(block, ref.dtype)
    return finite


def _beside_the_weights(path: Path, records: set[str]) -> list[str]:
    """Verify the records that no tensor refers to: the pickle, the version, the byte order."""
    damaged = []
    with zipfile.ZipFile(path) as file:
        for info in file.infolist():
            if info.filename.rpartition("/")[2] in records and "/data/" in info.filename:
                continue
            try:
                with file.open(info) as record:
                    while record.read(BUFFER):
                        pass
            except zipfile.BadZipFile as error:
                damaged.append(str(error))
    return damaged

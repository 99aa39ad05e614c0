"""One pass over all the weights of a file: are the bytes those that were written, are they numbers?

NaN and Inf are found by their bits, which takes no conversion and works for every float: the
exponent is all ones. Memory stays at one block, a megabyte.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import FormatError
from pipeline.files import BUFFER
from stages.common.archive import Archive
from stages.common.tensors import TensorRef

EXPONENTS = {
    "float16": ("<u2", 0x7C00),
    "bfloat16": ("<u2", 0x7F80),
    "float32": ("<u4", 0x7F80_0000),
    "float64": ("<u8", 0x7FF0_0000_0000_0000),
    "complex64": ("<u4", 0x7F80_0000),
    "complex128": ("<u8", 0x7FF0_0000_0000_0000),
    "float8_e5m2": ("u1", 0x7C),
    # No infinity in this one: only the pattern that is all ones is NaN.
    "float8_e4m3fn": ("u1", 0x7F),
}
"""By dtype: the unsigned integer of its size, and the bits that are all ones in NaN and Inf."""


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
    import numpy as np

    unsigned, ones = EXPONENTS.get(ref.dtype, ("", 0))
    finite = True
    for block in archive.blocks(ref):
        advance(len(block))
        if finite and unsigned:
            bits = np.frombuffer(block, unsigned)
            mask = bits.dtype.type(ones)
            finite = not bool(((bits & mask) == mask).any())
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

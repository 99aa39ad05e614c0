"""The zip file around the records, byte by byte as torch's writer (miniz) makes it.

Format: PKWARE's APPNOTE. Torch stores records uncompressed, pads each local header with an extra
field ``FB`` so that the content starts at a multiple of 64 bytes, gives sizes and CRC behind the
content, and always ends with a ZIP64 end. Above 4 GB sizes and offsets move to ZIP64 fields.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

ALIGNMENT = 64
"""Contents start at multiples of it, in bytes."""

_LIMIT = 0xFFFFFFFF
_UTF8, _DESCRIBED_BEHIND = 1 << 11, 1 << 3

Sink = Callable[[bytes | memoryview], None]
"""Takes the next bytes of the file."""


@dataclass(frozen=True)
class _Written:
    name: bytes
    header: int
    size: int
    crc: int

    @property
    def flags(self) -> int:
        return _UTF8 | (_DESCRIBED_BEHIND if self.size else 0)

    @property
    def wide(self) -> bool:
        """Whether its local header has a ZIP64 field."""
        return self.size >= _LIMIT or self.header >= _LIMIT

    def zip64(self, stored: int) -> bytes:
        """Give the ZIP64 field, empty where 32 bits are enough."""
        numbers = [self.size, stored] if self.size >= _LIMIT else []
        numbers += [self.header] if self.header >= _LIMIT else []
        if not numbers:
            return b""
        return struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers)

    @property
    def local(self) -> bytes:
        # Torch writes the local header before it counts what it stores: 0 in the ZIP64 field.
        zip64 = self.zip64(stored=0)
        start = self.header + 30 + len(self.name) + len(zip64) + 4
        padding = -start % ALIGNMENT
        extra = zip64 + b"FB" + struct.pack("<H", padding) + b"Z" * padding
        fields = (b"PK\3\4", 0, self.flags, 0, 0, 0, 0, 0, 0, len(self.name), len(extra))
        return struct.pack("<4s5H3I2H", *fields) + self.name + extra

    @property
    def descriptor(self) -> bytes:
        if not self.size:
            return b""
        numbers = "2Q" if self.wide else "2I"
        return struct.pack(f"<4sI{numbers}", b"PK\7\10", self.crc, self.size, self.size)

    @property
    def entry(self) -> bytes:
        zip64 = self.zip64(stored=self.size)
        size, header = min(self.size, _LIMIT), min(self.header, _LIMIT)
        lengths = (len(self.name), len(zip64), 0, 0, 0)
        fields = (b"PK\1\2", 0, 0, self.flags, 0, 0, 0, self.crc, size, size, *lengths, 0, header)
        return struct.pack("<4s6H3I5H2I", *fields) + self.name + zip64


class Packer:
    """An archive that is being written: for each record `begin`, its bytes, `end`; then `close`."""

    def __init__(self, sink: Sink, root: str = "archive") -> None:
        """Write into ``sink``, all records below ``root``."""
        self._sink, self._root = sink, root
        self._written: list[_Written] = []
        self.position = 0

    def begin(self, name: str, size: int) -> None:
        """Write the header of a record of ``size`` bytes."""
        path = f"{self._root}/{name}".encode()
        self._written.append(_Written(path, self.position, size, 0))
        self.write(self._written[-1].local)

    def write(self, content: bytes | memoryview) -> None:
        """Write the next bytes."""
        self._sink(content)
        self.position += len(content)

    def skip(self, size: int) -> None:
        """Count bytes without having them: for the size of a file that is not written."""
        self.position += size

    def end(self, crc: int) -> None:
        """Write what follows a record whose bytes have this CRC-32."""
        begun = self._written.pop()
        self._written.append(_Written(begun.name, begun.header, begun.size, crc))
        self.write(self._written[-1].descriptor)

    def close(self) -> None:
        """Write the directory and both of its ends."""
        start, count = self.position, len(self._written)
        directory = b"".join(record.entry for record in self._written)
        self.write(directory)
        sizes = (count, count, len(directory), start)
        here = self.position
        self.write(struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 0x031E, 45, 0, 0, *sizes))
        self.write(struct.pack("<4sIQI", b"PK\6\7", 0, here, 1))
        short = (min(count, 0xFFFF),) * 2 + (min(len(directory), _LIMIT), min(start, _LIMIT))
        self.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, *short, 0))

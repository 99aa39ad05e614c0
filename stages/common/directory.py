"""The central directory of a torch archive: which record lies where.

The format is ZIP (PKWARE's APPNOTE, sections 4.3 and 4.5.3) as torch writes it: every record
stored uncompressed in one root folder, no comment, ZIP64 where needed. Everything else is refused,
since two readers could take it for two different checkpoints.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from pipeline.errors import FormatError

MAX_BYTES = 2 << 20
"""Bytes of the directory; seven thousand records take 460 kB. What it says takes seven times as
much memory as its bytes at worst."""

_LOCAL = struct.Struct("<4s5H3I2H")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_DESCRIPTOR = struct.Struct("<4s2I")

_ENCRYPTED, _NO_16, _NO_32 = 1 | 1 << 6 | 1 << 13, 0xFFFF, 0xFFFFFFFF


class Damaged(Exception):  # noqa: N818 - the reader turns it into a FormatError with the place
    """An archive that is not as torch writes it."""


@dataclass(frozen=True, slots=True)
class ArchiveRecord:
    """Where a record's content is: offset and size in bytes, and the CRC-32 it must have."""

    offset: int
    size: int
    crc: int


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    header: int
    size: int
    crc: int


def read_directory(file: int, size: int) -> dict[str, ArchiveRecord]:
    """Read the records of an open archive of ``size`` bytes, by their name inside the root.

    Raises:
        FormatError: when the file is cut off, or is not an archive as torch writes it.
    """
    try:
        start, length, count = _bounds(file, size)
        entries = _entries(os.pread(file, length, start), count)
        return _locate(file, entries, start)
    except Damaged as damaged:
        raise FormatError(f"The archive is damaged: {damaged}.") from None


def extent(file: int, size: int) -> tuple[int, int]:
    """Give offset and length of the directory, of which only the end has to be there.

    Raises:
        FormatError: as `read_directory`.
    """
    try:
        start, length, _ = _bounds(file, size)
    except Damaged as damaged:
        raise FormatError(f"The archive is damaged: {damaged}.") from None
    return start, length


def named_in(file: int, size: int) -> dict[str, ArchiveRecord]:
    """Read the records by the directory alone, of which all has to be there, but nothing else.

    Returns:
        The records by their name inside the root; for lack of a look at it, each with the offset
        of its header, which its content follows.

    Raises:
        FormatError: as `read_directory`, but for what only a look at the records tells.
    """
    try:
        start, length, count = _bounds(file, size)
        entries = _entries(os.pread(file, length, start), count)
    except Damaged as damaged:
        raise FormatError(f"The archive is damaged: {damaged}.") from None
    records = {e.name.partition("/")[2]: ArchiveRecord(e.header, e.size, e.crc) for e in entries}
    if len(records) < count or len({entry.name.partition("/")[0] for entry in entries}) > 1:
        raise FormatError("The archive is damaged: a record is there twice.")
    return records


def content_at(header: bytes, name: str) -> int:
    """Tell how many bytes after the beginning of a record's header its content begins.

    Args:
        header: its first bytes, 1 kB at least where there are as many.
        name: of the record, inside the root.

    Raises:
        FormatError: when it is the header of another.
    """
    if len(header) > _LOCAL.size and header[:4] == b"PK\3\4":
        name_length, extra_length = map(int, _LOCAL.unpack_from(header)[-2:])
        found = header[_LOCAL.size : _LOCAL.size + name_length]
        if found.partition(b"/")[2] == name.encode():
            return _LOCAL.size + name_length + extra_length
    raise FormatError(f"The archive is damaged: the record {name} is not where it should be.")


def first_record(file: int, name: str) -> int:
    """Give the offset of the first record's content, for an archive without a directory.

    Raises:
        FormatError: when the first record is another one.
    """
    try:
        return content_at(os.pread(file, 1024, 0), name)
    except FormatError:
        raise FormatError(f"The archive does not begin with its {name}.") from None


def up_to_its_end(content: bytes) -> bytes:
    """Cut bytes that begin with a record's content off where that ends.

    Torch writes CRC and size behind it (section 4.3.9), so that no directory is needed to see it;
    all of the bytes are given where there is no such end.
    """
    at = content.find(b"PK\7\x08")
    while 0 <= at <= len(content) - _DESCRIPTOR.size:
        if _DESCRIPTOR.unpack_from(content, at)[2] == at:
            return content[:at]
        at = content.find(b"PK\7\x08", at + 1)
    return content


def _bounds(file: int, size: int) -> tuple[int, int, int]:
    """Find the directory: its offset, length in bytes, and number of entries."""
    tail = os.pread(file, _END.size, max(size - _END.size, 0))
    if len(tail) < _END.size or tail[:4] != b"PK\5\6":
        raise Damaged("its end is missing (cut off, or still being written)")
    _, disk, first_disk, here, count, length, start, comment = _END.unpack(tail)
    end = size - _END.size
    if disk or first_disk or here != count or comment:
        raise Damaged("it has parts or a comment, which torch does not write")
    locator = os.pread(file, _LOCATOR.size, max(end - _LOCATOR.size, 0))
    if locator[:4] == b"PK\6\7":
        end -= _LOCATOR.size + _END64.size
        classic = (count, length, start)
        start, length, count = _bounds64(file, locator, end)
        for wide, narrow, limit in zip(
            (count, length, start), classic, (_NO_16, _NO_32, _NO_32), strict=True
        ):
            if narrow not in (wide, limit):
                raise Damaged("its two ends contradict each other")
    if start + length != end or length > MAX_BYTES:
        raise Damaged("its directory is not where its end says")
    return start, length, count


def _bounds64(file: int, locator: bytes, end: int) -> tuple[int, int, int]:
    _, disk, offset, disks = _LOCATOR.unpack(locator)
    if disk or disks > 1 or offset != end or end < 0:
        raise Damaged("its ZIP64 end is not where it should be")
    content = os.pread(file, _END64.size, end)
    if len(content) < _END64.size or content[:4] != b"PK\6\6":
        raise Damaged("its ZIP64 end is missing")
    _, rest, _, _, disk, first_disk, here, count, length, start = _END64.unpack(content)
    if rest != _END64.size - 12 or disk or first_disk or here != count:
        raise Damaged("its ZIP64 end has parts, which torch does not write")
    return start, length, count


def _entries(content: bytes, count: int) -> list[_Entry]:
    entries, at = [], 0
    for _ in range(count):
        if at + _ENTRY.size > len(content) or content[at : at + 4] != b"PK\1\2":
            raise Damaged("its directory is broken")
        fields = _ENTRY.unpack_from(content, at)
        flags, method, crc, stored, size = fields[3], fields[4], *fields[7:10]
        name_length, extra_length, comment, disk, header = *fields[10:14], fields[16]
        at += _ENTRY.size
        if at + name_length + extra_length > len(content):
            raise Damaged("its directory is broken")
        name = _name(content[at : at + name_length])
        extra = content[at + name_length : at + name_length + extra_length]
        at += name_length + extra_length
        size, stored, header = _widened(extra, [size, stored, header])
        if method or stored != size or flags & _ENCRYPTED:
            raise Damaged(f"the record {name} is compressed or encrypted")
        if comment or disk:
            raise Damaged(f"the record {name} has a comment or a disk")
        entries.append(_Entry(name, header, size, crc))
    if at != len(content):
        raise Damaged("its directory holds more than its entries")
    return entries


def _name(raw: bytes) -> str:
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise Damaged("a record's name is not text") from None
    parts = name.split("/")
    if len(parts) < 2 or not name.isprintable() or "\\" in name:
        raise Damaged(f"a record has the name {name[:60]!r}")
    if any(part in ("", ".", "..") for part in parts):
        raise Damaged(f"a record has the name {name[:60]!r}, which leads elsewhere")
    if any(part != part.lower() for part in parts[1:]):
        # Torch's reader takes DATA.PKL for data.pkl, and of both whichever it meets first.
        raise Damaged(f"the record {name[:60]} has capitals in its name")
    return name


def _widened(extra: bytes, values: list[int]) -> list[int]:
    """Replace the values that 32 bits could not hold by those of the ZIP64 field."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        field = extra[at + 4 : at + 4 + length]
        if kind == 1:
            wide = iter(struct.unpack(f"<{len(field) // 8}Q", field[: len(field) // 8 * 8]))
            return [next(wide, value) if value == _NO_32 else value for value in values]
        at += 4 + length
    return values


def _locate(file: int, entries: list[_Entry], end: int) -> dict[str, ArchiveRecord]:
    """Find each record's content behind its local header; they must not touch each other."""
    records: dict[str, ArchiveRecord] = {}
    free = 0
    roots = {entry.name.partition("/")[0] for entry in entries}
    if len(roots) > 1:
        raise Damaged("it has more than one root folder")
    entries.sort(key=lambda entry: entry.header, reverse=True)
    if hasattr(os, "posix_fadvise"):
        # Headers lie all over the file: one wait for all of them, not one for each.
        for entry in entries:
            start = min(entry.header, end)
            os.posix_fadvise(file, start, _LOCAL.size, os.POSIX_FADV_WILLNEED)
    while entries:
        entry = entries.pop()  # Each goes as soon as it is known where its record is.
        raw = entry.name.encode()
        header = os.pread(file, _LOCAL.size + len(raw), min(entry.header, end))
        if len(header) < _LOCAL.size + len(raw) or header[:4] != b"PK\3\4":
            raise Damaged(f"the record {entry.name} does not start where the directory says")
        _, _, flags, method, _, _, *numbers, name_length, extra_length = _LOCAL.unpack_from(header)
        named = header[_LOCAL.size :] == raw and name_length == len(raw)
        if not named or method or flags & _ENCRYPTED:
            raise Damaged(f"the record {entry.name} is described in two ways")
        offset = entry.header + _LOCAL.size + name_length + extra_length
        if entry.header < free or offset + entry.size > end:
            raise Damaged(f"the record {entry.name} lies where another one is")
        # Torch leaves the numbers at 0, and gives them behind the content.
        told = zip(numbers, (entry.crc, entry.size, entry.size), strict=True)
        if any(number not in (0, _NO_32, true) for number, true in told):
            raise Damaged(f"the record {entry.name} has a size or a CRC that is told in two ways")
        free = offset + entry.size
        inner = entry.name.partition("/")[2]
        if inner in records:
            raise Damaged(f"the record {entry.name} is there twice")
        records[inner] = ArchiveRecord(offset, entry.size, entry.crc)
    return records

"""Hostile archives, each by its name: an honest checkpoint with one thing changed."""

from __future__ import annotations

import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from io import BytesIO

Change = Callable[[bytes], bytes]
"""Gives the bytes of a hostile archive, from those that torch saved."""

TOO_MUCH = "more than a checkpoint needs"
LOCAL, ENTRY, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
END64, LOCATOR = b"PK\6\6", b"PK\6\7"
WIDE = 0xFFFFFFFF


def start_of(raw: bytes, mark: bytes, record: str) -> int:
    """Find the header of a record, in the directory or before its content."""
    at = raw.find(mark)
    while at >= 0:
        name = at + (46 if mark == ENTRY else 30)
        if raw[name:].startswith(f"archive/{record}".encode()):
            return at
        at = raw.find(mark, at + 1)
    raise ValueError(record)


def place(raw: bytes, record: str) -> int:
    """Find a record's content."""
    at = start_of(raw, LOCAL, record)
    name, extra = struct.unpack_from("<2H", raw, at + 26)
    return at + 30 + int(name) + int(extra)


def field(mark: bytes, record: str, at: int, form: str, value: int) -> Change:
    """Write another number into a header."""

    def change(raw: bytes) -> bytes:
        changed = bytearray(raw)
        start = raw.rindex(mark) if mark in (END, END64, LOCATOR) else start_of(raw, mark, record)
        struct.pack_into(form, changed, start + at, value)
        return bytes(changed)

    return change


def both(*changes: Change) -> Change:
    def change(raw: bytes) -> bytes:
        for one in changes:
            raw = one(raw)
        return raw

    return change


def flipped(record: str) -> Change:
    """Flip a bit in the middle of a record."""

    def change(raw: bytes) -> bytes:
        (size,) = struct.unpack_from("<I", raw, start_of(raw, ENTRY, record) + 24)
        at = place(raw, record) + int(size) // 2
        return raw[:at] + bytes([raw[at] ^ 4]) + raw[at + 1 :]

    return change


def renamed(name: str) -> Change:
    """Give ``data/0`` another name of any length, in an archive by Python's own writer."""
    return rewritten(lambda old: name if old == "data/0" else old)


def rewritten(
    rename: Callable[[str], str] = str,
    method: int = zipfile.ZIP_STORED,
    more: Mapping[str, bytes] | None = None,
) -> Change:
    """Write the records again."""

    def change(raw: bytes) -> bytes:
        target = BytesIO()
        with (
            zipfile.ZipFile(BytesIO(raw)) as source,
            zipfile.ZipFile(target, "w", method) as file,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # Python warns of names that are there twice.
            for name in source.namelist():
                entry = zipfile.ZipInfo("x")
                inner = rename(name.partition("/")[2])
                entry.filename = inner if inner.startswith("/") else f"archive/{inner}"
                file.writestr(entry, source.read(name), method)
            for name, content in (more or {}).items():
                file.writestr(f"archive/{name}", content, method)
        return target.getvalue()

    return change


def crowded(count: int, name: Callable[[int], str], pickle: bytes = b"N.") -> Change:
    """Write a pickle and many empty records."""

    def change(_: bytes) -> bytes:
        records, entries = bytearray(), bytearray()
        for index in range(count):
            content = b"" if index else pickle
            raw = name(index).encode() if index else b"a/data.pkl"
            numbers = (zlib.crc32(content), len(content), len(content))
            fields = (20, 0, 0, 0, 0, *numbers, len(raw), 0)
            entries += struct.pack("<4s6H3I5H2I", ENTRY, 20, *fields, *(0,) * 4, len(records)) + raw
            records += struct.pack("<4s5H3I2H", LOCAL, *fields) + raw + content
        return bytes(records + entries) + ending(count, len(entries), len(records))

    return change


def ending(count: int, length: int, start: int) -> bytes:
    """Write both ends of a directory."""
    wide = struct.pack("<4sQ2H2I4Q", END64, 44, 45, 45, 0, 0, count, count, length, start)
    locator = struct.pack("<4sIQI", LOCATOR, 0, start + length, 1)
    return wide + locator + struct.pack("<4s4H2IH", END, 0, 0, 0xFFFF, 0xFFFF, WIDE, WIDE, 0)


def ended(**changes: int) -> Change:
    """Let both ends say something else."""

    def change(raw: bytes) -> bytes:
        at = raw.rindex(END64)
        count, _, length, start = struct.unpack_from("<4Q", raw, at + 24)
        old, true = {"count": count, "length": length, "start": start}, raw[:at]
        new = old | changes
        ends = bytearray(ending(**new))
        struct.pack_into("<Q", ends, 56 + 8, len(true))  # The locator stays honest.
        return true + bytes(ends)

    return change


def wide_field(record: str, numbers: tuple[int, int, int]) -> Change:
    """Move sizes and place of a record to a ZIP64 field, with numbers of our own."""

    def change(raw: bytes) -> bytes:
        at = start_of(raw, ENTRY, record)
        name_length, extra_length = struct.unpack_from("<2H", raw, at + 28)
        extra = struct.pack("<2H3Q", 1, 24, *numbers)
        entry = bytearray(raw[at : at + 46 + name_length])
        struct.pack_into("<2I", entry, 20, WIDE, WIDE)
        struct.pack_into("<H", entry, 30, len(extra))
        struct.pack_into("<I", entry, 42, WIDE)
        rest = raw[at + 46 + name_length + extra_length :]
        end = raw.rindex(END64)
        count, _, length, start = struct.unpack_from("<4Q", raw, end + 24)
        more = len(extra) - extra_length
        directory = raw[:at] + bytes(entry) + extra + rest[: end - len(raw)]
        return directory + ending(count, length + more, start)

    return change


def cut(mark: bytes, record: str = "data.pkl", after: int = 0) -> Change:
    def change(raw: bytes) -> bytes:
        known = mark in (END, END64, LOCATOR)
        return raw[: (raw.rindex(mark) if known else start_of(raw, mark, record)) + after]

    return change


def overlapping(raw: bytes) -> bytes:
    """Let a record reach over its neighbour, at the neighbour's CRC and all."""
    start, stop = place(raw, "data/0"), place(raw, "data/1") + 4
    crc = zlib.crc32(raw[start:stop])
    wrong = [(16, crc), (20, stop - start), (24, stop - start)]
    return both(*(field(ENTRY, "data/0", at, "<I", value) for at, value in wrong))(raw)


EVIL = b"cos\nsystem\n(S'touch mark'\ntR."
BOMB = bytes(300 << 20)
"""Of zeros: 300 kB when compressed."""

CUT, TWICE, TOLD = "its end is missing", "described in two ways", "data/0 .* told in two ways"

ARCHIVES: dict[str, tuple[Change, str]] = {
    # Cut off at every structure.
    "cut in the end": (cut(END, after=10), CUT),
    "cut before the end": (cut(END), CUT),
    "cut in the locator": (cut(LOCATOR, after=8), CUT),
    "cut in the ZIP64 end": (cut(END64, after=30), CUT),
    "cut before the directory": (cut(ENTRY), CUT),
    "cut in the directory": (cut(ENTRY, "data/0", 50), CUT),
    "cut in the pickle": (cut(LOCAL, after=500), CUT),
    "cut in the data": (lambda raw: raw[: place(raw, "data/0") + 7], CUT),
    "cut in the first header": (lambda raw: raw[:20], CUT),
    "the end of another": (lambda raw: raw + raw[raw.rindex(END) :], "parts|not where"),
    # Flipped bits.
    "a bit of the pickle": (flipped("data.pkl"), "record data.pkl is not as it was saved"),
    "a bit of the data": (flipped("data/0"), "record data/0 is not as it was saved"),
    "a bit of a CRC": (field(ENTRY, "data/0", 16, "<I", 7), "data/0"),
    "a bit of a name": (lambda raw: raw.replace(b"data/0", b"datq/0", 1), TWICE),
    # Records that are not where and what they should be.
    "overlapping": (overlapping, "data/1 lies where another one is"),
    "one place for two": (
        lambda raw: field(ENTRY, "data/0", 42, "<I", start_of(raw, LOCAL, "data/1"))(raw), TWICE,
    ),
    "over the directory": (
        both(*(field(ENTRY, "data/0", at, "<I", 1 << 30) for at in (20, 24))), "another one",
    ),
    "twice": (rewritten(lambda name: name.replace("data/1", "data/0")), "data/0 is there twice"),
    "compressed": (rewritten(method=zipfile.ZIP_DEFLATED), "is compressed or encrypted"),
    "a bomb": (
        lambda raw: rewritten(method=zipfile.ZIP_DEFLATED, more={"data/bomb": BOMB})(raw),
        "is compressed",
    ),
    "a bomb that says it is stored": (
        lambda raw: both(
            rewritten(method=zipfile.ZIP_DEFLATED),
            *(field(mark, "data.pkl", at, "<H", 0) for mark, at in ((ENTRY, 10), (LOCAL, 8))),
        )(raw),
        "data.pkl is compressed",
    ),
    "encrypted": (field(ENTRY, "data/0", 8, "<H", 1), "data/0 is compressed or encrypted"),
    "two sizes": (field(ENTRY, "data/0", 24, "<I", 3), "data/0 is compressed"),
    "a size of 4 GB": (
        both(*(field(ENTRY, "data/0", at, "<I", WIDE - 1) for at in (20, 24))), "another one",
    ),
    # What the local header says.
    "a local size": (field(LOCAL, "data/0", 22, "<I", 5), TOLD),
    "a local stored size": (field(LOCAL, "data/0", 18, "<I", 5), TOLD),
    "a local CRC": (field(LOCAL, "data/0", 14, "<I", 5), TOLD),
    "a local method": (field(LOCAL, "data/0", 8, "<H", 8), TWICE),
    "a local flag": (field(LOCAL, "data/0", 6, "<H", 1), TWICE),
    "a local extra": (field(LOCAL, "data/0", 28, "<H", 60000), "another one"),
    # What ZIP64 says.
    "a ZIP64 size": (wide_field("data/0", (1 << 40, 1 << 40, 0)), "data/0"),
    "a ZIP64 place": (wide_field("data/0", (16, 16, (1 << 64) - 1)), "does not start"),
    "a ZIP64 field that is short": (field(ENTRY, "data/0", 42, "<I", WIDE), "does not start"),
    "a count of 65535": (ended(count=0xFFFF), "directory is broken"),
    "a count of 4 G": (ended(count=WIDE), "directory is broken"),
    "a directory of 4 GB": (ended(length=WIDE), "not where its end says"),
    "a directory behind the end": (ended(start=1 << 63), "not where its end says"),
    "two ends": (field(END, "", 10, "<H", 7), "parts|contradict"),
    "a locator behind the end": (field(LOCATOR, "", 8, "<Q", (1 << 64) - 1), "ZIP64 end"),
    "a comment": (lambda raw: field(END, "", 20, "<H", 5)(raw) + b"hello", CUT),
    # Names.
    "a name that climbs": (renamed("../../data/0"), "leads elsewhere"),
    "a name from the root": (renamed("/etc/passwd"), "leads elsewhere"),
    "a name with NUL": (renamed("data/0\0.txt"), "has the name"),
    "a name with a backslash": (renamed("..\\..\\data"), "has the name"),
    "a name from right to left": (renamed("data/\u202e0"), r"has the name .*u202e"),
    "a name that steers the terminal": (renamed("\x1b[2J\x1b[31m"), r"has the name .*x1b"),
    "a name of four lines": (renamed("a\nb\nc\nd"), "has the name"),
    "a name of 60 kB": (renamed("x" * 60_000), "data/0"),
    "a name that is no text": (
        lambda raw: raw.replace(b"archive/data/0", b"archive/data/\xff"), "not text",
    ),
    # Torch's reader does not tell capitals from small letters.
    "two pickles": (rewritten(more={"DATA.PKL": EVIL}), "DATA.PKL has capitals in its name"),
    "data twice": (rewritten(more={"DATA/0": b"others"}), "DATA/0 has capitals in its name"),
    "a program": (rewritten(more={"constants.pkl": b"N."}), "TorchScript program"),
    "two roots": (lambda raw: raw.replace(b"archive/data/0", b"brchive/data/0"), "root folder"),
    "no pickle": (lambda raw: raw.replace(b"data.pkl", b"data.pkm"), "no data.pkl"),
    # Floods.
    "a crowd": (crowded(40_000, lambda n: f"a/{n:x}"), "a NoneType where a dict is"),
    "a crowd around a flood": (
        crowded(30_000, lambda n: f"a/\U0001f600{n:x}xxxxxxxxxxxx", b"(" + b"\x8f" * (15 << 20)),
        TOO_MUCH,
    ),
    "a huge directory": (crowded(90_000, lambda n: f"a/{n:x}"), "not where its end says"),
}  # fmt: skip
"""By name: the change, and a pattern that the refusal has."""

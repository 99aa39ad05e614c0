"""Zip files that lie about their records."""

from __future__ import annotations

import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import FormatError
from stages.common.archive import Archive
from stages.common.packing import Packer

NAMES = ["archive/data.pkl", "archive/data/0", "archive/data/1"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hostile.th"


def written(path: Path, names: list[str], method: int = zipfile.ZIP_STORED) -> bytearray:
    """Write an archive with 100 bytes a record, and give its bytes to be changed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of names that are there twice.
        with zipfile.ZipFile(path, "w", method) as file:
            for name in names:
                file.writestr(zipfile.ZipInfo(name), bytes(100), method)
    return bytearray(path.read_bytes())


def refused(path: Path, raw: bytes | bytearray, match: str) -> None:
    path.write_bytes(raw)
    with pytest.raises(FormatError, match=match) as caught:
        Archive.open(path)
    assert str(caught.value).count("\n") < 3


def test_an_archive_that_is_honest_is_read(path: Path) -> None:
    written(path, NAMES)

    with Archive.open(path) as archive:
        assert sorted(archive.records) == ["data.pkl", "data/0", "data/1"]
        assert {record.size for record in archive.records.values()} == {100}


@pytest.mark.parametrize(
    "name",
    [
        *(
            "archive/../data/2",
            "archive//data/2",
            "/archive/data/2",
            "archive/./2",
            "archive/data/",
        ),
        *(
            "loose",
            "archive\\data/2",
            "archive/a\nb",
            "archive/\x1b[31m",
            "../data/2",
            "archive/\0x",
        ),
    ],
)
def test_names_that_lead_elsewhere_are_refused(path: Path, name: str) -> None:
    swapped = written(
        path, [*NAMES, "archive/" + "x" * (len(name) - 8)] if len(name) > 8 else NAMES
    )
    if len(name) > 8:
        swapped = swapped.replace(b"archive/" + b"x" * (len(name) - 8), name.encode())
    else:
        swapped = written(path, [*NAMES, name])
    refused(path, swapped, "name")


def test_a_name_that_is_no_text_is_refused(path: Path) -> None:
    refused(path, written(path, NAMES).replace(b"data/1", b"data/\xff"), "not text")


def test_compressed_records_are_refused(path: Path) -> None:
    refused(path, written(path, NAMES, zipfile.ZIP_DEFLATED), "compressed")


def test_records_that_are_there_twice_are_refused(path: Path) -> None:
    refused(path, written(path, [*NAMES, "archive/data/0"]), "twice")


def test_two_roots_are_refused(path: Path) -> None:
    refused(path, written(path, [*NAMES, "other/data/2"]), "root")


def test_an_archive_without_a_pickle_is_refused(path: Path) -> None:
    refused(path, written(path, ["archive/data/0"]), "data.pkl")


def test_the_empty_archive_is_refused(path: Path) -> None:
    refused(path, written(path, []), "not an archive")


ENTRY, LOCAL = b"PK\1\2", b"PK\3\4"


def changed(raw: bytearray, mark: bytes, index: int, at: int, form: str, value: int) -> bytearray:
    """Change one field of the header number ``index`` that starts with ``mark``."""
    start = -1
    for _ in range(index + 1):
        start = raw.index(mark, start + 1)
    struct.pack_into(form, raw, start + at, value)
    return raw


@pytest.mark.parametrize(
    ("mark", "at", "form", "value", "match"),
    [
        pytest.param(ENTRY, 42, "<I", 0, "two ways", id="overlap: the place of another"),
        pytest.param(ENTRY, 42, "<I", 7, "does not start", id="a place in the middle"),
        pytest.param(ENTRY, 42, "<I", 1 << 30, "does not start", id="a place behind the end"),
        pytest.param(ENTRY, 24, "<I", 99, "compressed", id="two sizes"),
        pytest.param(ENTRY, 8, "<H", 1, "encrypted", id="encrypted"),
        pytest.param(ENTRY, 10, "<H", 8, "compressed", id="compressed"),
        pytest.param(ENTRY, 32, "<H", 1, "comment", id="a comment"),
        pytest.param(ENTRY, 34, "<H", 1, "disk", id="another disk"),
        pytest.param(ENTRY, 28, "<H", 60000, "broken", id="a name longer than the directory"),
        pytest.param(ENTRY, 30, "<H", 46, "broken", id="extra that swallows the next entry"),
        pytest.param(LOCAL, 8, "<H", 8, "two ways", id="compressed, says the local header only"),
        pytest.param(LOCAL, 6, "<H", 1, "two ways", id="encrypted, says the local header only"),
        pytest.param(LOCAL, 26, "<H", 3, "two ways", id="another length of the name"),
        pytest.param(LOCAL, 28, "<H", 5000, "another one", id="extra that reaches into the next"),
    ],
)
def test_headers_that_lie_are_refused(path, mark, at, form, value, match) -> None:
    refused(path, changed(written(path, NAMES), mark, 1, at, form, value), match)


@pytest.mark.parametrize("index", [1, 2])
@pytest.mark.parametrize("size", [101, 1 << 20, 0xFFFFFFFE])
def test_records_that_reach_over_others_are_refused(path: Path, size: int, index: int) -> None:
    raw = changed(written(path, NAMES), ENTRY, index, 20, "<I", size)

    refused(path, changed(raw, ENTRY, index, 24, "<I", size), "another one|told in two ways")


@pytest.mark.parametrize(
    ("at", "form", "value"),
    [(4, "<H", 1), (6, "<H", 1), (8, "<H", 2), (10, "<H", 4), (12, "<I", 5), (16, "<I", 0)]
    + [(20, "<H", 1), (12, "<I", 0xFFFFFFF0)],
)
def test_an_end_that_lies_is_refused(path: Path, at: int, form: str, value: int) -> None:
    refused(path, changed(written(path, NAMES), b"PK\5\6", 0, at, form, value), "damaged")


def test_more_or_fewer_entries_than_counted_are_refused(path: Path) -> None:
    for count in (2, 4):
        raw = written(path, NAMES)
        raw[-14:-10] = struct.pack("<2H", count, count)
        refused(path, raw, "directory")


def test_bytes_behind_or_before_the_archive_are_refused(path: Path) -> None:
    raw = written(path, NAMES)

    refused(path, raw + b"x", "its end is missing")
    refused(path, b"#!/bin/sh\n" + raw, "not an archive")


def zip64(raw: bytearray, edit: Callable[[list[int]], None]) -> bytes:
    """Put a ZIP64 end before the end, its numbers edited: size, count, count, length, start."""
    count, length, start = struct.unpack_from("<H2I", raw, len(raw) - 12)
    numbers = [44, count, count, length, start, len(raw) - 22]
    edit(numbers)
    rest, here, total, length, start, place = numbers
    wide = struct.pack("<4sQ2H2I4Q", b"PK\6\6", rest, 45, 45, 0, 0, here, total, length, start)
    return bytes(raw[:-22]) + wide + struct.pack("<4sIQI", b"PK\6\7", 0, place, 1) + raw[-22:]


def test_an_honest_zip64_end_is_read(path: Path) -> None:
    path.write_bytes(zip64(written(path, NAMES), lambda numbers: None))

    with Archive.open(path) as archive:
        assert len(archive.records) == 3


@pytest.mark.parametrize("index", range(6))
def test_a_zip64_end_that_contradicts_is_refused(path: Path, index: int) -> None:
    def edit(numbers: list[int]) -> None:
        numbers[index] += 1

    refused(path, zip64(written(path, NAMES), edit), "damaged")


def test_an_archive_of_more_than_4_gb_is_read(path: Path) -> None:
    huge = (1 << 32) + 20
    with path.open("wb") as file:
        packer = Packer(lambda content: void(file.write(content)))
        for name, size in (("data.pkl", 2), ("data/0", huge), ("data/1", 3)):
            packer.begin(name, size)
            packer.skip(size)
            file.seek(size, 1)  # A hole: the disk stores nothing.
            packer.end(7)
        packer.close()

    with Archive.open(path) as archive, zipfile.ZipFile(path) as pythons:
        assert [record.size for record in archive.records.values()] == [2, huge, 3]
        assert archive.records["data/1"].offset > huge
        assert [entry.file_size for entry in pythons.infolist()] == [2, huge, 3]


def void(_: object) -> None:
    """Take what a function gives where nothing is wanted."""

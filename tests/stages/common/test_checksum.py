"""CRC-32: the same numbers, whichever library is there."""

from __future__ import annotations

import subprocess
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from isal import isal_zlib
from zlib_ng import zlib_ng

from stages.common.checksum import crc32, crc32_combine


@given(st.binary(), st.binary())
def test_the_numbers_are_those_of_zlib(first: bytes, second: bytes) -> None:
    assert crc32(second, crc32(first)) == zlib.crc32(first + second)


@given(st.lists(st.binary() | st.integers(0, 70_000).map(bytes), max_size=5))
def test_numbers_of_pieces_make_up_that_of_the_whole(pieces: list[bytes]) -> None:
    combined = 0
    for piece in pieces:
        combined = crc32_combine(combined, zlib.crc32(piece), len(piece))
    assert combined == zlib.crc32(b"".join(pieces))


@pytest.mark.parametrize("length", [0, 1, 1 << 31, (1 << 32) + 1, (1 << 40) + 12345])
def test_numbers_of_huge_pieces_are_those_of_the_libraries(length: int) -> None:
    for library in (isal_zlib, zlib_ng):
        for first, second in ((0, 0), (1, 0xFFFFFFFF), (0xDEADBEEF, 7)):
            expected = library.crc32_combine(first, second, length)
            assert crc32_combine(first, second, length) == expected


@pytest.mark.parametrize(
    ("absent", "used"),
    [((), "isal.isal_zlib"), (("isal",), "zlib_ng.zlib_ng"), (("isal", "zlib_ng"), "zlib")],
)
def test_the_fastest_that_is_there(absent: tuple[str, ...], used: str) -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(sys.argv[1:]));"
        "from stages.common.checksum import crc32;"
        "print(crc32.__module__, crc32(memoryview(b'release')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *absent], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [used, str(zlib.crc32(b"release"))]

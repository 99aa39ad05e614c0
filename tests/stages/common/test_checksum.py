"""CRC-32: the same numbers, whichever library is there."""

from __future__ import annotations

import subprocess
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common.checksum import crc32


@given(st.binary(), st.binary())
def test_the_numbers_are_those_of_zlib(first: bytes, second: bytes) -> None:
    assert crc32(second, crc32(first)) == zlib.crc32(first + second)


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

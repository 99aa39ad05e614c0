"""The zip layout against bytes that torch 2.13 wrote around a storage of more than 4 GB.

They were taken from ``torch.save({"small": ones(3), "big": zeros(2**30 + 5), "after": ones(2),
"e": empty(0)}, sink)``, where the sink kept the small writes only.
"""

from __future__ import annotations

from stages.common.packing import Packer

BIG = (1 << 32) + 20


def z(count: int) -> bytes:
    return b"Z" * count


def header(flags: bytes, name: int, extra: bytes) -> bytes:
    return b"PK\3\4\0\0" + flags + bytes(18) + bytes([name, 0]) + extra


FULL, EMPTY = b"\x08\x08", b"\x00\x08"
END = [
    header(FULL, 14, b"\x38\0") + b"archive/data/1",
    b"\1\0\x10\0\x14\0\0\0\1\0\0\0" + bytes(8) + b"FB\x20\0" + z(32),
    b"PK\7\10\x8b\xc5\4A\x14\0\0\0\1\0\0\0\x14\0\0\0\1\0\0\0",
    header(FULL, 14, b"\x28\0") + b"archive/data/2",
    b"\1\0\x08\0,\4\0\0\1\0\0\0FB\x18\0" + z(24),
    b"\0\0\x80?\0\0\x80?",
    b"PK\7\10\x90Q\6\xd5\x08" + bytes(7) + b"\x08" + bytes(7),
    header(EMPTY, 14, b"\x34\0") + b"archive/data/3",
    b"\1\0\x08\0\xa0\4\0\0\1\0\0\0FB\x24\0" + z(36),
    header(FULL, 15, b"\x13\0") + b"archive/version",
    b"\1\0\x08\0\0\5\0\0\1\0\0\0FB\3\0ZZZ",
    b"3\n",
    b"PK\7\10\xd1\x9egU\2" + bytes(7) + b"\2" + bytes(7),
]


def entry(flags: bytes, crc: bytes, size: bytes, lengths: bytes, header: bytes) -> bytes:
    return b"PK\1\2\0\0\0\0" + flags + bytes(6) + crc + size + size + lengths + bytes(10) + header


DIRECTORY = [
    entry(FULL, b"\x8b\xc5\4A", b"\xff" * 4, b"\x0e\0\x14\0", b"\x9c\3\0\0") + b"archive/data/1",
    b"\1\0\x10\0\x14\0\0\0\1\0\0\0\x14\0\0\0\1\0\0\0",
    entry(FULL, b"\x90Q\6\xd5", b"\x08\0\0\0", b"\x0e\0\x0c\0", b"\xff" * 4) + b"archive/data/2",
    b"\1\0\x08\0,\4\0\0\1\0\0\0",
    entry(EMPTY, bytes(4), bytes(4), b"\x0e\0\x0c\0", b"\xff" * 4) + b"archive/data/3",
    b"\1\0\x08\0\xa0\4\0\0\1\0\0\0",
    entry(FULL, b"\xd1\x9egU", b"\2\0\0\0", b"\x0f\0\x0c\0", b"\xff" * 4) + b"archive/version",
    b"\1\0\x08\0\0\5\0\0\1\0\0\0",
]


def test_records_above_4_gb_are_laid_out_as_torch_does() -> None:
    out = bytearray()
    packer = Packer(out.extend)
    packer.skip(924)  # What lies before.
    packer.begin("data/1", BIG)
    packer.skip(BIG)
    packer.end(0x4104C58B)
    for name, content, crc in (
        ("data/2", b"\0\0\x80?\0\0\x80?", 0xD5065190),
        ("data/3", b"", 0),
        ("version", b"3\n", 0x55679ED1),
    ):
        packer.begin(name, len(content))
        packer.write(content)
        packer.end(crc)

    assert bytes(out) == b"".join(END)
    assert packer.position == 4294968666

    packer.close()
    directory = b"".join(DIRECTORY)
    ends = bytes(out)[len(b"".join(END)) :]
    assert ends.startswith(directory)
    assert ends[len(directory) :] == (
        b"PK\6\6,"
        + bytes(7)
        + b"\x1e\x03-"
        + bytes(9)
        + (b"\4" + bytes(7)) * 2
        + len(directory).to_bytes(8, "little")
        + (4294968666).to_bytes(8, "little")
        + b"PK\6\7"
        + bytes(4)
        + (4294968666 + len(directory)).to_bytes(8, "little")
        + b"\1\0\0\0"
        + b"PK\5\6"
        + bytes(4)
        + b"\4\0\4\0"
        + len(directory).to_bytes(4, "little")
        + b"\xff" * 4
        + b"\0\0"
    )

"""The bytes of a pickle, and those arguments of opcodes whose length is in the pickle.

The forms are those that ``pickletools`` describes; each is read only if all of it is there.
"""

from __future__ import annotations

from stages.common.inert import Refused

MAX_COUNTED = 1 << 20
"""Bytes of a text, or of bytes; the longest text of a checkpoint is its config of 6 kB."""

MAX_LINE = 256
"""Bytes of a name, or of a number in decimals."""

MAX_INTEGER = 33
"""Bytes of an integer: 256 bits and a sign. Python takes long to write huge ones as text."""

_BOOLEANS = {"00": False, "01": True}
"""How protocol 1, which has no opcode for them, writes them among the integers."""


class PickleStream:
    """A pickle that has been read up to ``at``.

    Every method raises ``ValueError`` when the bytes are not there or not of the form, and
    `Refused` when they are more than a checkpoint has in one place.
    """

    def __init__(self, content: bytes | bytearray) -> None:
        """Begin at the first byte."""
        self.content, self.at = content, 0

    def counted(self, count: int) -> bytes | bytearray:
        """Read so many bytes."""
        start = self.at
        if not 0 <= count <= len(self.content) - start:
            raise ValueError("it is cut off")
        if count > MAX_COUNTED:
            raise Refused(f"{count} bytes that are one value")
        self.at += count
        return self.content[start : self.at]

    def integer(self, count: int) -> int:
        """Read an integer of so many bytes."""
        if count > MAX_INTEGER:
            raise Refused("a number of more than 256 bits")
        return int.from_bytes(self.counted(count), "little", signed=True)

    def line(self) -> str:
        """Read text up to the end of its line."""
        start, end = self.at, self.content.find(b"\n", self.at, self.at + MAX_LINE)
        if end < 0:
            raise ValueError("a line does not end")
        self.at = end + 1
        return self.content[start:end].decode()

    def decimal(self) -> int:
        """Read an integer, or a boolean, that is written as a line."""
        text = self.line()
        number = _BOOLEANS[text] if text in _BOOLEANS else int(text.removesuffix("L"))
        if number.bit_length() > 8 * MAX_INTEGER:
            raise Refused("a number of more than 256 bits")
        return number

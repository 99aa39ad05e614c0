"""A file of tensors that is open for reading.

Bytes are read with ``pread`` into small buffers, never mapped: a trainer that cuts a mapped file
short would kill this process.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import FormatError
from pipeline.files import BUFFER
from stages.common.buffers import buffer


class Closing:
    """A context manager that closes itself."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is open; a second time does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class ReadFile(Closing):
    """An open file; each format derives from it, and looks at the file when it takes it over.

    Attributes:
        path: where it is.
    """

    remedy = ""
    """What to do about a file that cannot be read, where an error says nothing of its own."""

    def __init__(self, path: Path, file: int) -> None:
        """Take over an open file; use `open`."""
        self.path, self._file = path, file

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file, and read no more of it than shows what is in it.

        Raises:
            FormatError: when it cannot be read, is damaged, or is of another format.
        """
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise FormatError(f"The file cannot be read: {error.strerror}.", str(path)) from error
        try:
            return cls(path, file)
        except FormatError as error:
            os.close(file)
            raise FormatError(error.what, str(path), error.hint or cls.remedy) from error
        except BaseException:
            os.close(file)
            raise

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def fill(self, block: memoryview, offset: int) -> memoryview:
        """Read a part of the file that must be there into a block.

        Raises:
            FormatError: when the file was cut short meanwhile.
        """
        rest = block
        while rest:
            count = os.preadv(self._file, [rest], offset)
            if not count:
                raise FormatError("The file was cut short while it was read.", str(self.path))
            rest, offset = rest[count:], offset + count
        return block

    def stretch(self, start: int, stop: int) -> Iterator[tuple[int, memoryview]]:
        """Give a part of the file in steps of at most 1 MB, each with its offset.

        A block is the reader's own: nothing changes it later.

        Raises:
            FormatError: when the file was cut short meanwhile.
        """
        for at in range(start, stop, BUFFER):
            yield at, self.fill(buffer(min(BUFFER, stop - at)), at)

    def drop(self, offset: int, size: int) -> None:
        """Let the system drop a part from its memory: it will not be read again."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file, offset, size, os.POSIX_FADV_DONTNEED)

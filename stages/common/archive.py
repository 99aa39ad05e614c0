"""Reading torch's zip files without torch: safely, and without holding them in memory.

The format is that of ``torch.save``: ``data.pkl`` describes the object, each storage is a record
``data/<key>``. Bytes are read with ``pread`` into small buffers, never mapped: a trainer that cuts
a mapped file short would kill this process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from pipeline.errors import FormatError
from pipeline.files import BUFFER
from pipeline.manifest import digest
from stages.common import gathering
from stages.common.buffers import buffer
from stages.common.checksum import crc32
from stages.common.directory import ArchiveRecord, read_directory
from stages.common.inert import Named, Refused, Storage, shown
from stages.common.plain import plain
from stages.common.rebuilding import whole_number
from stages.common.tensors import ITEMSIZE, STORAGE_DTYPE, TensorRef
from stages.common.unpickler import unpickle

_MAGIC = b"PK\3\4"
_LEGACY_MAGIC = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""The pickled number that torch's format before 1.6 starts with."""

MAX_SMALL = 16 << 20
"""Bytes of a record that is read whole, as the pickle is; one for seven thousand tensors takes
1 MB, and a thousand epochs of history 4 MB."""


def is_zip(path: Path) -> bool:
    """Whether a file starts like an archive of ``torch.save``."""
    return _head(path, 4) == _MAGIC


def is_legacy(path: Path) -> bool:
    """Whether a file is of the form that ``torch.save`` wrote before 1.6."""
    return _LEGACY_MAGIC in _head(path, 32)


def is_tar(path: Path) -> bool:
    """Whether a file is a tar archive, the oldest form of torch, which is not read."""
    return _head(path, 262)[257:] == b"ustar"


class Archive:
    """An open torch archive; a context manager."""

    def __init__(self, path: Path, file: int) -> None:
        """Take over an open file; use `open`."""
        self.path = path
        self._file = file
        self._verified: set[str] = set()
        if os.pread(file, 4, 0) != _MAGIC:
            raise FormatError("This is not an archive of torch.save.")
        self.records: Mapping[str, ArchiveRecord] = MappingProxyType(
            read_directory(file, os.fstat(file).st_size)
        )
        if "data.pkl" not in self.records:
            raise FormatError("The archive is not one of torch: it has no data.pkl.")
        if "constants.pkl" in self.records:  # by which torch.load knows one
            raise FormatError("The archive is a TorchScript program: loading it would run it.")
        if "byteorder" in self.records and self._small("byteorder") != b"little":
            raise FormatError("The archive was written on a big-endian machine.")

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an archive and check its directory; nothing else is read.

        Raises:
            FormatError: when it cannot be read, is damaged, or is not of torch.
        """
        if not path.is_file():
            raise FormatError("There is no such file.", str(path))
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise FormatError(f"The file cannot be read: {error.strerror}.", str(path)) from error
        try:
            return cls(path, file)
        except FormatError as error:
            os.close(file)
            raise FormatError(error.what, str(path), error.hint) from error
        except BaseException:
            os.close(file)
            raise

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @cached_property
    def directory_digest(self) -> str:
        """The sha256 over the sorted names, sizes and CRCs; recognises the content unread."""
        rows = [[name, record.size, record.crc] for name, record in self.records.items()]
        return digest(sorted(rows))

    @cached_property
    def root(self) -> Any:
        """The saved object: plain containers and scalars, and `TensorRef` for tensors.

        OmegaConf's nodes are plain, their interpolations and ``???`` kept as text.

        Raises:
            FormatError: when the pickle is damaged or holds what a checkpoint does not.
        """
        try:
            return plain(unpickle(self._small("data.pkl"), self._storage))
        except Refused as refused:
            raise FormatError(f"Its pickle holds {refused}.", str(self.path)) from None
        except FormatError as error:
            raise FormatError(error.what, str(self.path), error.hint) from error

    def keep_only(self, refs: Iterable[TensorRef]) -> None:
        """Let go of the root, and of the records that these tensors are not in."""
        kept = {f"data/{ref.record}" for ref in refs}
        self.records = {name: self.records[name] for name in kept}
        vars(self).pop("root", None)

    def blocks(self, ref: TensorRef, name: str = "") -> Iterator[memoryview]:
        """Give a tensor's bytes in C order: whole elements, in steps of at most 1 MB.

        The CRC of its record is checked once, even where only a part of it is wanted. A block is
        the reader's own: nothing changes it later.

        Args:
            ref: the tensor.
            name: the key it stands under, for the message.

        Raises:
            FormatError: naming tensor and record, when its bytes are not those that were saved.
        """
        record = f"data/{ref.record}"
        # The shards of an FSDP run are views of one record: which of them is damaged is not known.
        name = name if ref.whole or not name else f"{name} is in it"
        start = ref.offset * ref.itemsize
        if ref.contiguous:
            yield from self._window(record, start, start + ref.nbytes, name)
        else:
            for _ in self._window(record, 0, 0, name):
                pass
            begin = self.records[record].offset + start
            yield from gathering.gather(self._read, begin, ref)

    def known_crc(self, ref: TensorRef) -> int | None:
        """Give the CRC-32 of a tensor that is its whole record, from the directory.

        A view of another dtype can leave bytes behind its last element, which are not its own.
        """
        record = self.records[f"data/{ref.record}"]
        return record.crc if ref.whole and ref.nbytes == record.size else None

    def crc(self, ref: TensorRef, name: str = "") -> int:
        """Give the CRC-32 of a tensor's bytes in C order: unread where the directory has it.

        Raises:
            FormatError: as `blocks`, when it had to be read.
        """
        if (known := self.known_crc(ref)) is not None:
            return known
        crc = 0
        for block in self.blocks(ref, name):
            crc = crc32(block, crc)
        return crc

    def _window(self, name: str, start: int, stop: int, tensor: str) -> Iterator[memoryview]:
        """Read the bytes from start to stop of a record, all of it where it was never checked."""
        record, known = self.records[name], name in self._verified
        first, last = (start, stop) if known else (0, record.size)
        crc = 0
        for at in range(first, last, BUFFER):
            block = self._fill(buffer(min(BUFFER, last - at)), record.offset + at)
            if not known:
                crc = crc32(block, crc)
            inside = block[max(start - at, 0) : max(stop - at, 0)]
            if inside:
                yield inside
        if not known and crc != record.crc:
            raise self._mismatch(f"{name} ({tensor})" if tensor else name, record)
        self._verified.add(name)

    def forget(self, ref: TensorRef) -> None:
        """Let the system drop a tensor's record from its memory: it will not be read again."""
        if hasattr(os, "posix_fadvise"):
            record = self.records[f"data/{ref.record}"]
            os.posix_fadvise(self._file, record.offset, record.size, os.POSIX_FADV_DONTNEED)

    def _read(self, offset: int, size: int) -> bytes:
        """Read a part of the file that must be there."""
        return bytes(self._fill(memoryview(bytearray(size)), offset))

    def _fill(self, block: memoryview, offset: int) -> memoryview:
        """Read a part of the file that must be there into a block."""
        rest = block
        while rest:
            count = os.preadv(self._file, [rest], offset)
            if not count:
                raise FormatError("The file was cut short while it was read.", str(self.path))
            rest, offset = rest[count:], offset + count
        return block

    def _small(self, name: str) -> bytes:
        """Read a record that is not a storage."""
        record = self.records[name]
        if record.size > MAX_SMALL:
            raise FormatError(f"The record {name} is too large: {record.size} bytes.")
        content = self._read(record.offset, record.size)
        if crc32(content) != record.crc:
            raise self._mismatch(name, record)
        return content

    def _mismatch(self, name: str, record: ArchiveRecord) -> FormatError:
        hint = "It was changed after it was saved: copy or download it again."
        if record.crc == 0:
            hint = "It was saved without checksums (set_crc32_options(False)): save it with them."
        return FormatError(
            f"The file is damaged: the record {name} is not as it was saved.", str(self.path), hint
        )

    def _storage(self, reference: Any) -> Storage:
        """Find the record that a persistent id means."""
        storage = storage_of(reference)
        if f"data/{storage.record}" not in self.records:
            raise Refused(f"a storage without a record: data/{shown(storage.record)}")
        size = self.records[f"data/{storage.record}"].size
        if size // ITEMSIZE[storage.dtype or "uint8"] != storage.numel:
            raise Refused(
                f"{storage.numel} elements in the record data/{storage.record} of {size} bytes"
            )
        return storage


def storage_of(reference: Any) -> Storage:
    """Give the storage that a persistent id of ``torch.save`` names, taken at its word."""
    if type(reference) is not tuple or len(reference) != 5 or reference[0] != "storage":
        raise Refused("a persistent id that is no storage")
    _, kind, key, _, count = reference
    numel, name = whole_number(count), kind.name if isinstance(kind, Named) else ""
    if not isinstance(key, str):
        raise Refused(f"a storage without a record: data/{shown(key)}")
    if name != "UntypedStorage" and name not in STORAGE_DTYPE:
        raise Refused(f"a storage of the class {shown(kind)}")
    return Storage(key, STORAGE_DTYPE.get(name), numel)


def _head(path: Path, length: int) -> bytes:
    """Give a file's first bytes; none of what is no readable file."""
    try:
        with path.open("rb") as file:
            return file.read(length)
    except OSError:
        return b""

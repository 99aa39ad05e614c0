"""Reading torch's zip files without torch: safely, and without holding them in memory.

The format is that of ``torch.save``: ``data.pkl`` describes the object, each storage is a record
``data/<key>``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from pipeline.errors import FormatError
from pipeline.manifest import digest
from stages.common import gathering
from stages.common.checksum import crc32, crc32_of
from stages.common.directory import ArchiveRecord, read_directory
from stages.common.inert import Named, Refused, Storage, shown
from stages.common.plain import plain
from stages.common.read_file import ReadFile
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


class Archive(ReadFile):
    """An open torch archive; a context manager."""

    def __init__(self, path: Path, file: int) -> None:
        """Take over an open file; use `open`."""
        super().__init__(path, file)
        self._verified: set[str] = set()
        self.records: Mapping[str, ArchiveRecord] = self._directory()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an archive and check its directory; nothing else is read.

        Raises:
            FormatError: when it cannot be read, is damaged, or is not of torch.
        """
        if not path.is_file():
            raise FormatError("There is no such file.", str(path))
        return super().open(path)

    def _directory(self) -> Mapping[str, ArchiveRecord]:
        if os.pread(self._file, 4, 0) != _MAGIC:
            raise FormatError("This is not an archive of torch.save.")
        records = read_directory(self._file, os.fstat(self._file).st_size)
        if "data.pkl" not in records:
            raise FormatError("The archive is not one of torch: it has no data.pkl.")
        if "constants.pkl" in records:  # by which torch.load knows one
            raise FormatError("The archive is a TorchScript program: loading it would run it.")
        order = records.get("byteorder")
        if order is not None and self._small("byteorder", order) != b"little":
            raise FormatError("The archive was written on a big-endian machine.")
        return MappingProxyType(records)

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
            pickle = self._small("data.pkl", self.records["data.pkl"])
            return plain(unpickle(pickle, self._storage))
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
        return crc32_of(self.blocks(ref, name))

    def _window(self, name: str, start: int, stop: int, tensor: str) -> Iterator[memoryview]:
        """Read the bytes from start to stop of a record, all of it where it was never checked."""
        record, known = self.records[name], name in self._verified
        begin, crc = record.offset, 0
        first, last = (start, stop) if known else (0, record.size)
        for at, block in self.stretch(begin + first, begin + last):
            if not known:
                crc = crc32(block, crc)
            inside = block[max(begin + start - at, 0) : max(begin + stop - at, 0)]
            if inside:
                yield inside
        if not known and crc != record.crc:
            raise self._mismatch(f"{name} ({tensor})" if tensor else name, record)
        self._verified.add(name)

    def forget(self, ref: TensorRef) -> None:
        """Let the system drop a tensor's record from its memory: it will not be read again."""
        record = self.records[f"data/{ref.record}"]
        self.drop(record.offset, record.size)

    def _read(self, offset: int, size: int) -> bytes:
        """Read a part of the file that must be there."""
        return bytes(self.fill(memoryview(bytearray(size)), offset))

    def _small(self, name: str, record: ArchiveRecord) -> bytes:
        """Read a record that is not a storage."""
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

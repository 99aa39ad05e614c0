"""Writing torch archives without torch, in one pass: read, verify, cast, check, hash, write.

The bytes are those of ``torch.save(root, file_object)`` of torch 2.13 for plain dicts of plain
tensors, but for ``.data/serialization_id``, which is fixed: torch makes it from a hash that is not
the same everywhere, and only logs it.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import Any, Self

from pipeline import files
from pipeline.errors import FormatError
from pipeline.manifest import FileDigest
from stages.common.casting import cast
from stages.common.packing import ALIGNMENT, Packer
from stages.common.pickler import Pickled, Weight, pickled

__all__ = ["Weight", "size_of", "write_archive"]

_BEFORE = {".format_version": b"1", ".storage_alignment": b"%d" % ALIGNMENT, "byteorder": b"little"}
_AFTER = {"version": b"3\n", ".data/serialization_id": b"0" * 40}

_WIDER = {"float16": "bfloat16", "bfloat16": "float32", "float32": "keep"}


def write_archive(
    path: Path, root: Mapping[str, Any], advance: Callable[[int], None] | None = None
) -> FileDigest:
    """Write a root to a file that is whole or absent, and give its digest.

    Args:
        path: the file; replaced if it is there.
        root: nested dicts of text, numbers, booleans, None and `Weight`.
        advance: told the bytes written, `size_of` in all.

    Raises:
        FormatError: naming the tensor whose source is damaged or whose values a cast overflows.
        OSError: when the disk takes no more.
    """
    content = pickled(root)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb", buffering=0) as file, _Hasher() as hasher:

            def sink(block: bytes | memoryview) -> None:
                hasher.update(block)
                rest = memoryview(block)
                while rest:
                    rest = rest[file.write(rest) :]
                if advance is not None:
                    advance(len(block))

            packer = Packer(sink)
            _pack(packer, content, _copy)
            os.fdatasync(file.fileno())
        files.replace_file(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return FileDigest(packer.position, hasher.hexdigest())


def size_of(root: Mapping[str, Any]) -> int:
    """Give the bytes that the file will take, without reading a tensor."""

    def count(packer: Packer, _: str, weight: Weight) -> int:
        packer.skip(weight.nbytes)
        return 0

    packer = Packer(lambda _: None)
    _pack(packer, pickled(root), count)
    return packer.position


def _pack(packer: Packer, content: Pickled, put: Callable[[Packer, str, Weight], int]) -> None:
    """Write all records in torch's order; ``put`` writes a tensor's bytes and gives their CRC."""
    for name, small in {"data.pkl": content.content, **_BEFORE}.items():
        _put_small(packer, name, small)
    for number, (name, weight) in enumerate(content.storages):
        packer.begin(f"data/{number}", weight.nbytes)
        packer.end(put(packer, name, weight))
    for name, small in _AFTER.items():
        _put_small(packer, name, small)
    packer.close()


def _put_small(packer: Packer, name: str, content: bytes) -> None:
    packer.begin(name, len(content))
    packer.write(content)
    packer.end(zlib.crc32(content))


def _copy(packer: Packer, name: str, weight: Weight) -> int:
    if weight.ref.whole and weight.written == weight.ref.dtype:
        for block in weight.archive.blocks(weight.ref):  # This checks the CRC that is given back.
            packer.write(block)
        return weight.archive.crc(weight.ref)
    crc = 0
    for block in _elements(name, weight):
        packer.write(block)
        crc = zlib.crc32(block, crc)
    return crc


def _elements(name: str, weight: Weight) -> Iterator[memoryview]:
    """Give a tensor's bytes as they are written."""
    source, target, overflowed = weight.ref.dtype, weight.written, 0
    for block in weight.archive.blocks(weight.ref):
        if source == target:
            yield block
            continue
        made, lost = cast(block, source, target)
        overflowed += lost
        yield made
    if overflowed:
        raise FormatError(
            f"The tensor {name} does not fit into {target}: {overflowed} of its values overflow.",
            str(weight.archive.path),
            f"Choose one with a wider range: export.dtype={_WIDER[target]}",
        )


class _Hasher:
    """A sha256 on a thread of its own, since it is slower than the disk."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._blocks: Queue[bytes | None] = Queue(maxsize=8)
        self._thread = Thread(target=self._work, name="sha256", daemon=True)

    def _work(self) -> None:
        while (block := self._blocks.get()) is not None:
            self._hash.update(block)

    def update(self, block: bytes | memoryview) -> None:
        """Hash a copy of the block, which may change after this."""
        self._blocks.put(bytes(block))

    def hexdigest(self) -> str:
        """Give the digest; only after the ``with`` block, when all is hashed."""
        return self._hash.hexdigest()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._blocks.put(None)
        self._thread.join()

"""The pickle of a dict of weights, as ``torch.save`` writes it: protocol 2, tensors by reference.

The opcodes are those of CPython's own pickler (``pickletools``), one by one, and not that pickler's
work: its output depends on whether two equal texts are one object. Here they always are, as if
every text were interned; a weight that stands twice is two tensors over one storage, as in a
``state_dict``. So the same root gives the same bytes whoever made it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pickle import encode_long
from typing import Any

from stages.common.casting import FLOATS, TARGETS
from stages.common.stored import Tensor
from stages.common.tensors import ITEMSIZE, STORAGE_DTYPE, contiguous_stride

_CLASS = {dtype: name for name, dtype in STORAGE_DTYPE.items()}
_BATCH = 1000
"""Items that CPython's pickler puts into a dict at once."""


@dataclass(frozen=True)
class Weight:
    """One tensor to write.

    Attributes:
        tensor: where it is read from; its files must stay open.
        dtype: one of `casting.TARGETS`, or ``None``; integers and booleans are kept in any case.
    """

    tensor: Tensor
    dtype: str | None = None

    def __post_init__(self) -> None:
        """Refuse what nothing is cast to."""
        if self.dtype is not None and self.dtype not in TARGETS:
            raise ValueError(f"nothing is cast to {self.dtype}")

    @property
    def written(self) -> str:
        """The dtype as written."""
        return self.dtype if self.dtype and self.tensor.dtype in FLOATS else self.tensor.dtype

    @property
    def nbytes(self) -> int:
        """Bytes as written."""
        return self.tensor.numel * ITEMSIZE[self.written]

    @property
    def known_crc(self) -> int | None:
        """The CRC-32 of the bytes as written, where that is known without reading them."""
        return self.tensor.known_crc if self.written == self.tensor.dtype else None

    @property
    def _identity(self) -> tuple[object, ...]:
        """What two weights share when they are the same elements."""
        return self.tensor.identity, self.written


@dataclass(frozen=True)
class Pickled:
    """A pickle and what it refers to.

    Attributes:
        content: the pickle.
        storages: for each record ``data/N``, in order, the first name of the weight, and that.
    """

    content: bytes
    storages: tuple[tuple[str, Weight], ...]


def pickled(root: Mapping[str, Any]) -> Pickled:
    """Write the pickle of nested dicts of text, numbers, booleans, None and weights.

    Raises:
        TypeError: for anything else; a release has nothing else to say.
    """
    pickler = _Pickler()
    pickler.save(dict(root), "")
    content = b"\x80\x02" + bytes(pickler.out) + b"."
    return Pickled(content, tuple(pickler.storages.values()))


class _Pickler:
    def __init__(self) -> None:
        self.out = bytearray()
        self.storages: dict[tuple[object, ...], tuple[str, Weight]] = {}
        self._keys: dict[tuple[object, ...], int] = {}
        self._memo: dict[object, int] = {}
        self._saved = 0

    def save(self, value: Any, name: str) -> None:
        """Write one value; ``name`` is the key it stands under."""
        if value is None:
            self.out += b"N"
        elif isinstance(value, bool):
            self.out += b"\x88" if value else b"\x89"
        elif isinstance(value, int):
            self.out += _integer(value)
        elif isinstance(value, float):
            self.out += b"G" + struct.pack(">d", value)
        elif isinstance(value, str):
            self._text(value)
        elif isinstance(value, Weight):
            self._tensor(value, name)
        elif isinstance(value, Mapping):
            self._dict(value)
        else:
            raise TypeError(f"{name} is of {type(value)}, which no release holds")

    def _memoize(self, key: object = None) -> None:
        """Number what was just written; ``key`` finds it again."""
        index = self._saved
        self.out += (
            struct.pack("<cB", b"q", index) if index < 256 else struct.pack("<cI", b"r", index)
        )
        self._saved += 1
        if key is not None:
            self._memo[key] = index

    def _again(self, key: object) -> bool:
        """Refer to what was written before, if it was."""
        index = self._memo.get(key)
        if index is not None:
            short = index < 256
            self.out += (
                struct.pack("<cB", b"h", index) if short else struct.pack("<cI", b"j", index)
            )
        return index is not None

    def _text(self, text: str, key: object = None) -> None:
        key = key or ("text", text)
        if not self._again(key):
            raw = text.encode()
            self.out += b"X" + struct.pack("<I", len(raw)) + raw
            self._memoize(key)

    def _global(self, module: str, name: str) -> None:
        if not self._again((module, name)):
            self.out += f"c{module}\n{name}\n".encode()
            self._memoize((module, name))

    def _dict(self, value: Mapping[Any, Any]) -> None:
        self.out += b"}"
        self._memoize()
        items = list(value.items())
        if len(items) == 1:
            self._items(items)
            self.out += b"s"
            return
        # A full batch is followed by another one, be it empty.
        for first in range(0, len(items) + 1 if items else 0, _BATCH):
            self.out += b"("
            self._items(items[first : first + _BATCH])
            self.out += b"u"

    def _items(self, items: list[tuple[Any, Any]]) -> None:
        for key, item in items:
            self.save(key, str(key))
            self.save(item, str(key))

    def _tuple(self, numbers: tuple[int, ...]) -> None:
        written = b"".join(map(_integer, numbers))
        if not numbers:
            self.out += b")"
        elif len(numbers) <= 3:
            self.out += written + b"\x85\x86\x87"[len(numbers) - 1 : len(numbers)]
        else:
            self.out += b"(" + written + b"t"
        if numbers:
            self._memoize()

    def _tensor(self, weight: Weight, name: str) -> None:
        shape, typed = weight.tensor.shape, weight.written in _CLASS
        self._global("torch._utils", "_rebuild_tensor_v2" if typed else "_rebuild_tensor_v3")
        self.out += b"("
        self._storage(weight, name, typed)
        self.out += _integer(0)
        self._tuple(shape)
        self._tuple(contiguous_stride(shape))
        self.out += b"\x89"
        self._global("collections", "OrderedDict")
        self.out += b")R"
        self._memoize()
        if not typed:
            self._global("torch", weight.written)
        self.out += b"t"
        self._memoize()
        self.out += b"R"
        self._memoize()

    def _storage(self, weight: Weight, name: str, typed: bool) -> None:
        identity = weight._identity
        self.storages.setdefault(identity, (name, weight))
        number = self._keys.setdefault(identity, len(self._keys))
        self.out += b"("
        self._text("storage")
        if typed:
            self._global("torch", _CLASS[weight.written])
        else:
            self._global("torch.storage", "UntypedStorage")
        # A storage's key is a text of its own, even where the root holds an equal one.
        self._text(str(number), ("storage", number))
        self._text("cpu")
        self.out += _integer(weight.tensor.numel if typed else weight.nbytes)
        self.out += b"t"
        self._memoize()
        self.out += b"Q"


def _integer(value: int) -> bytes:
    if 0 <= value < 1 << 8:
        return struct.pack("<cB", b"K", value)
    if 0 <= value < 1 << 16:
        return struct.pack("<cH", b"M", value)
    if -1 << 31 <= value < 1 << 31:
        return struct.pack("<ci", b"J", value)
    raw = encode_long(value)
    return b"\x8a" + bytes([len(raw)]) + raw

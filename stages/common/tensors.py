"""What a torch archive says about a tensor, without reading the tensor.

Names of dtypes are torch's, without ``torch.``. A storage is a flat run of elements, kept as one
record of the archive; a tensor is a strided view of a storage.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

_BY_SIZE = {
    1: "bool uint8 int8 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu "
    "float4_e2m1fn_x2 bits8 bits1x8 bits2x4 bits4x2 qint8 quint8 quint4x2 quint2x4 "
    "int1 int2 int3 int4 int5 int6 int7 uint1 uint2 uint3 uint4 uint5 uint6 uint7",
    2: "float16 bfloat16 int16 uint16 bits16",
    4: "float32 int32 uint32 complex32 qint32",
    8: "float64 int64 uint64 complex64",
    16: "complex128",
}

ITEMSIZE: Mapping[str, int] = {
    name: size for size, names in _BY_SIZE.items() for name in names.split()
}
"""Bytes per element, for every dtype that torch has."""

STORAGE_DTYPE: Mapping[str, str] = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64",
}
"""The dtype of each typed storage class; every other dtype is kept in an untyped storage."""


def contiguous_stride(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Give the strides, in elements, that torch gives a new tensor of ``shape`` in C order."""
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= max(length, 1)
    return tuple(reversed(strides))


@dataclass(frozen=True, slots=True)
class TensorRef:
    """A tensor that has not been read: where its elements are.

    Attributes:
        record: the key of its storage; the bytes are in the record ``data/<record>``.
        dtype: torch's name, a key of `ITEMSIZE`.
        offset: the first element's place in the storage, in elements.
        shape: lengths of the dimensions.
        stride: steps between neighbours in each dimension, in elements.
        storage_numel: how many elements of ``dtype`` the storage holds.
    """

    record: str
    dtype: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    storage_numel: int

    @property
    def numel(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return ITEMSIZE[self.dtype]

    @property
    def nbytes(self) -> int:
        """How many bytes its elements take in C order."""
        return self.numel * self.itemsize

    @property
    def span(self) -> int:
        """How many elements lie between its first and its last one, both included."""
        if self.numel == 0:
            return 0
        steps = zip(self.shape, self.stride, strict=True)
        return 1 + sum((length - 1) * step for length, step in steps)

    @property
    def contiguous(self) -> bool:
        """Whether its elements lie side by side in C order; lengths of 1 have no say."""
        wanted = contiguous_stride(self.shape)
        return self.numel == 0 or all(
            length == 1 or step == want
            for length, step, want in zip(self.shape, self.stride, wanted, strict=True)
        )

    @property
    def whole(self) -> bool:
        """Whether it is its record: contiguous, from the first element to the last."""
        return self.offset == 0 and self.numel == self.storage_numel and self.contiguous

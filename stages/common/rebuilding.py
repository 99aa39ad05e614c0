"""Tensors as a pickle describes them: a storage, an offset, lengths and strides, all checked.

The format is that of ``torch._utils._rebuild_tensor_v2`` and its kin.
"""

from __future__ import annotations

from typing import Any

from stages.common.inert import Named, Refused, Storage, shown
from stages.common.tensors import ITEMSIZE, TensorRef

MAX_DIMENSIONS = 64
"""What torch allows."""

MAX_EXPANDED = 1 << 22
"""Elements of a tensor that repeats its storage; a huge one could fill a disk from a few bytes."""


def whole_number(value: Any) -> int:
    """Give a size, offset or stride back, having made sure that it can be one."""
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise Refused(f"{shown(value)} where a size should be")
    return value


def lengths(value: Any) -> tuple[int, ...]:
    """Give a shape or strides back, having made sure that they can be ones."""
    if type(value) is not tuple or len(value) > MAX_DIMENSIONS:
        raise Refused("a tensor without a proper shape")
    return tuple(whole_number(length) for length in value)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, dtype: str | None) -> TensorRef:
    if not isinstance(storage, Storage):
        raise Refused("a tensor without a storage")
    numel = storage.numel
    if dtype is None:
        dtype = storage.dtype or "uint8"
    elif storage.dtype is None:
        numel //= ITEMSIZE[dtype]
    elif storage.dtype != dtype:
        raise Refused(f"a tensor of {dtype} in a storage of {storage.dtype}")
    shape, steps = lengths(size), lengths(stride)
    if len(shape) != len(steps):
        raise Refused("a tensor with more lengths than strides")
    ref = TensorRef(storage.record, dtype, whole_number(offset), shape, steps, numel)
    if ref.numel and ref.offset + ref.span > numel:
        raise Refused(f"a tensor that reaches past the end of its record data/{ref.record}")
    if ref.numel > max(numel, MAX_EXPANDED):
        raise Refused(f"a tensor that repeats its record data/{ref.record} too often")
    return ref


def _plain_view(metadata: Any) -> None:
    """Refuse lazy conjugates and negatives: their bytes are not their values."""
    if isinstance(metadata, dict) and any(metadata.get(bit) for bit in ("conj", "neg")):
        raise Refused("a tensor that is a lazy conjugate or negative")


def tensor_v2(
    storage: Any, offset: Any, size: Any, stride: Any, _grad: Any, _hooks: Any, metadata: Any = None
) -> TensorRef:
    """Stand for ``_rebuild_tensor_v2``: a tensor in a storage of its own dtype."""
    _plain_view(metadata)
    return _tensor(storage, offset, size, stride, None)


def tensor_v1(storage: Any, offset: Any, size: Any, stride: Any) -> TensorRef:
    """Stand for ``_rebuild_tensor``, which torch wrote before 0.4."""
    return _tensor(storage, offset, size, stride, None)


def tensor_v3(
    storage: Any,
    offset: Any,
    size: Any,
    stride: Any,
    _grad: Any,
    _hooks: Any,
    dtype: Any,
    metadata: Any = None,
) -> TensorRef:
    """Stand for ``_rebuild_tensor_v3``: a tensor of ``dtype`` in an untyped storage."""
    _plain_view(metadata)
    if not isinstance(dtype, Named) or dtype.module != "torch" or dtype.name not in ITEMSIZE:
        raise Refused(f"a tensor of the unknown dtype {shown(dtype)}")
    return _tensor(storage, offset, size, stride, dtype.name)


def parameter(tensor: Any, _grad: Any, _hooks: Any, _state: Any = None) -> TensorRef:
    """Stand for ``_rebuild_parameter``: the tensor itself."""
    if not isinstance(tensor, TensorRef):
        raise Refused("a parameter without a tensor")
    return tensor

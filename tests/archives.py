"""Torch archives for tests: saved by torch itself, or put together by hand to be hostile."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from stages.common.archive import Archive
from stages.common.stored import StoredTensor
from stages.common.tensors import TensorRef
from stages.common.writer import Weight

DTYPES = [
    *("bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "bfloat16", "float32", "float64", "complex32", "complex64", "complex128"),
    *("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"),
]
"""The dtypes that torch can fill; the others are quantised, or shells."""


def saved(path: Path, value: Any, **options: Any) -> Path:
    """Save with torch to a file object, as a trainer does: the root is then ``archive``."""
    with path.open("wb") as file:
        torch.save(value, file, **options)
    return path


def packed(path: Path, pickle: bytes, records: Mapping[str, bytes] | None = None) -> Path:
    """Make an archive around any pickle."""
    with zipfile.ZipFile(path, "w") as file:
        for name, content in {"data.pkl": pickle, **(records or {})}.items():
            file.writestr(f"archive/{name}", content)
    return path


def content(archive: Archive, ref: TensorRef) -> bytes:
    """Read a whole tensor."""
    return b"".join(map(bytes, archive.blocks(ref)))


def elements(tensor: torch.Tensor) -> bytes:
    """Give the bytes of a tensor's elements in C order."""
    own = tensor.clone(memory_format=torch.contiguous_format)
    return own.view(-1).view(torch.uint8).numpy().tobytes()


def weights(archive: Archive, value: Any, dtype: str | None = None) -> Any:
    """Turn what an archive holds into what a writer takes."""
    if isinstance(value, TensorRef):
        return Weight(StoredTensor(archive, value), dtype)
    if isinstance(value, dict):
        return {key: weights(archive, item, dtype) for key, item in value.items()}
    return value


def interned(value: Any) -> Any:
    """Make equal texts one object, as our pickler takes them to be."""
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        return {interned(key): interned(item) for key, item in value.items()}
    return value

"""``model.safetensors``, or several files with an index where one would be too large."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline import files
from pipeline.manifest import FileDigest, pretty
from stages.common.tensor_writer import header, write_tensors
from stages.export_transformers.pieces import Piece

MODEL, INDEX = "model.safetensors", "model.safetensors.index.json"

LIMIT = 5_000_000_000
"""Bytes of tensors in one file."""


def write_model(
    folder: Path,
    pieces: Mapping[str, Piece],
    advance: Callable[[int], None] | None = None,
    limit: int = LIMIT,
) -> dict[str, FileDigest]:
    """Write all tensors; give the digests of the files by name.

    Args:
        folder: where to.
        pieces: the tensors by name.
        advance: told the bytes written.
        limit: bytes of tensors in one file; a tensor that is larger has a file of its own.
    """
    shards = _shards(pieces, limit)
    if len(shards) == 1:
        return {MODEL: write_tensors(folder / MODEL, shards[0], advance)}
    digests: dict[str, FileDigest] = {}
    places: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        digests[name] = write_tensors(folder / name, shard, advance)
        places |= dict.fromkeys(shard, name)
    total = sum(piece.nbytes for piece in pieces.values())
    index = pretty({"metadata": {"total_size": total}, "weight_map": places})
    files.write_text(folder / INDEX, index)
    digests[INDEX] = files.file_digest(folder / INDEX)
    return digests


def size_of(pieces: Mapping[str, Piece]) -> int:
    """Give the bytes that the files will take, but for what several headers take more."""
    return len(header(pieces)[0]) + sum(piece.nbytes for piece in pieces.values())


def _shards(pieces: Mapping[str, Piece], limit: int) -> list[dict[str, Piece]]:
    """Fill one file after the other, in the order of the names."""
    shards: list[dict[str, Piece]] = [{}]
    held = 0
    for name in sorted(pieces):
        size = pieces[name].nbytes
        if shards[-1] and held + size > limit:
            shards.append({})
            held = 0
        shards[-1][name] = pieces[name]
        held += size
    return shards

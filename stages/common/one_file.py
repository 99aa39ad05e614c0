"""``all_in_one.pt``: the language model and its codec in one file, and back to two.

The file is the language model's dict with one key more: ``pretrained``, a codec's name, which
AudioCraft's two loaders both understand; or ``compression``, the dict of an exported codec, which
only `split` does.

Law: ``split(join(lm, compression))`` gives the two files back, byte by byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pipeline.errors import FormatError
from pipeline.layout import ExportFolder
from pipeline.manifest import FileDigest
from stages.common.archive import Archive
from stages.common.stored import StoredTensor
from stages.common.tensors import TensorRef
from stages.common.writer import Weight, write_archive

REFERENCE = "pretrained"
WEIGHTS = "compression"
_LM_KEYS = ("best_state", "xp.cfg", "version", "exported")
_REFERENCE_KEYS = (REFERENCE, "exported", "version")


def join(
    lm_path: Path,
    compression_path: Path,
    target: Path,
    advance: Callable[[int], None] | None = None,
) -> FileDigest:
    """Write ``target`` from a ``state_dict.bin`` and a ``compression_state_dict.bin``.

    Args:
        lm_path: an exported language model.
        compression_path: an exported codec, or a reference.
        target: the file to write, whole or not at all.
        advance: told the bytes written.

    Raises:
        FormatError: when one of the two is not such a file.
    """
    with ExitStack() as stack:
        lm = _open(stack, lm_path, _LM_KEYS)
        archive = stack.enter_context(Archive.open(compression_path))
        codec = _with_weights(archive, archive.root)
        if _names(codec) == _names(_REFERENCE_KEYS):
            if codec["version"] != lm["version"]:
                raise FormatError(
                    "The language model and the codec were exported for two AudioCraft versions: "
                    f"{lm['version']} and {codec['version']}.",
                    str(compression_path),
                )
            return _write(target, {**lm, REFERENCE: codec[REFERENCE]}, advance)
        _demand(codec, _LM_KEYS, compression_path)
        return _write(target, {**lm, WEIGHTS: codec}, advance)


def split(
    path: Path, folder: Path, advance: Callable[[int], None] | None = None
) -> dict[str, FileDigest]:
    """Write the two files that ``path`` was joined from into ``folder``.

    Returns:
        The digests by file name.

    Raises:
        FormatError: when ``path`` is not such a file.
    """
    with Archive.open(path) as archive:
        root = _with_weights(archive, archive.root)
        keys = [key for key in (REFERENCE, WEIGHTS) if isinstance(root, dict) and key in root]
        if len(keys) != 1 or _names(root) != _names([*_LM_KEYS, *keys]):
            raise FormatError(
                "This is not an all_in_one.pt: it must hold a language model, and either "
                f"{REFERENCE} or {WEIGHTS}.",
                str(path),
                "A release with two files has nothing to unpack.",
            )
        second = root.pop(keys[0])
        if keys == [REFERENCE]:
            second = {REFERENCE: second, "exported": True, "version": root["version"]}
        else:
            _demand(second, _LM_KEYS, path)
        files = ExportFolder(folder)
        return {
            files.state_dict.name: _write(files.state_dict, root, advance),
            files.compression.name: _write(files.compression, second, advance),
        }


def _write(
    path: Path, root: Mapping[str, Any], advance: Callable[[int], None] | None
) -> FileDigest:
    """Write a file; whether its weights are fit was judged when they were exported."""
    return write_archive(path, root, advance, allow_nonfinite=True).digest


def _open(stack: ExitStack, path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    archive = stack.enter_context(Archive.open(path))
    root = _with_weights(archive, archive.root)
    _demand(root, keys, path)
    return dict(root)


def _demand(root: Any, keys: tuple[str, ...], path: Path) -> None:
    if _names(root) != _names(keys):
        raise FormatError(
            f"This file is not an exported model: it must hold {', '.join(keys)}.",
            str(path),
            f"It holds {', '.join(sorted(_names(root))) or 'no dict'}.",
        )


def _names(root: Any) -> frozenset[str]:
    return frozenset(map(str, root)) if isinstance(root, Mapping | list | tuple) else frozenset()


def _with_weights(archive: Archive, value: Any, name: str = "") -> Any:
    """Turn what was read under a name into what can be written."""
    if isinstance(value, TensorRef):
        return Weight(StoredTensor(archive, value, name))
    if isinstance(value, Mapping):
        return {key: _with_weights(archive, held, str(key)) for key, held in value.items()}
    return value

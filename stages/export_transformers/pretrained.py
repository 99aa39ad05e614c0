"""A model of transformers on this machine: a folder, or a repository in the Hub's cache."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import FormatError, SourceError
from pipeline.manifest import digest
from pipeline.paths import expanded
from stages.common import hub
from stages.common.archive import Archive, is_zip
from stages.common.stored import StoredTensor, Tensor
from stages.common.tensor_file import TensorFile
from stages.common.tensors import TensorRef

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""In the order in which they are looked for."""

_LOCAL = ("_name_or_path", "transformers_version", "torch_dtype", "dtype", "task_specific_params")
"""What a config says of where and how it was saved, or of another use."""


@dataclass(frozen=True)
class Pretrained:
    """A folder with ``config.json`` and weights in one file."""

    folder: Path

    @property
    def config(self) -> dict[str, Any]:
        """What the model is, without what is only true where it was saved.

        Raises:
            SourceError: when it is not there.
            FormatError: when it cannot be read.
        """
        path = self.folder / CONFIG
        if not path.is_file():
            raise SourceError(f"The folder has no {CONFIG}.", str(self.folder))
        try:
            config = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise FormatError(f"{CONFIG} cannot be read: {error}.", str(path)) from error
        if not isinstance(config, dict):
            raise FormatError(f"{CONFIG} describes no model.", str(path))
        return {key: value for key, value in config.items() if key not in _LOCAL}

    @property
    def weights(self) -> Path:
        """The file with the weights.

        Raises:
            SourceError: when there is none.
        """
        for name in WEIGHTS:
            if (path := self.folder / name).is_file():
                return path
        raise SourceError(f"The folder has no {' and no '.join(WEIGHTS)}.", str(self.folder))

    @contextmanager
    def tensors(self) -> Iterator[Mapping[str, Tensor]]:
        """Give the tensors by name, as long as the block runs.

        Raises:
            FormatError: when the file is damaged, cut off, or not safe.
        """
        path = self.weights
        with ExitStack() as stack:
            if path.suffix == ".safetensors":
                yield stack.enter_context(TensorFile.open(path)).tensors
                return
            if not is_zip(path):
                raise FormatError(
                    "The weights are in torch's form from before 1.6.",
                    str(path),
                    "Save the model again with transformers (save_pretrained).",
                )
            archive = stack.enter_context(Archive.open(path))
            root = archive.root
            if not isinstance(root, Mapping):
                raise FormatError("The file holds no model.", str(path))
            yield {
                str(name): StoredTensor(archive, ref, str(name))
                for name, ref in root.items()
                if isinstance(ref, TensorRef)
            }

    def content(self, name: str | None) -> str:
        """Recognise it: by its commit in a Hub cache, else by its config and its file's stat.

        Args:
            name: the Hub id that it was asked for by, if it was.
        """
        if self.folder.parent.name == "snapshots":
            # Nobody asks the network whether something has changed there.
            return name or self.folder.name
        stat = self.weights.stat()
        return digest([self.config, stat.st_size, stat.st_mtime_ns])


def find(name: str) -> Pretrained | None:
    """Find a model by its folder, or its name in a Hub cache; nothing is downloaded.

    Args:
        name: a folder, ``org/name``, or a name of old like ``t5-base``.
    """
    if name and expanded(name).is_dir():
        return Pretrained(expanded(name))
    for cache in _caches():
        folder = hub.snapshot(name, cache_dir=cache)
        if folder and (folder / CONFIG).is_file() and any((folder / w).is_file() for w in WEIGHTS):
            return Pretrained(folder)
    return None


def fetch(repo_id: str, extra: tuple[str, ...]) -> Pretrained:
    """Download a model from the Hub, with those of the files ``extra`` that it has.

    Raises:
        SourceError: when it is not there, or has no weights in one file.
    """
    config = hub.download(repo_id, CONFIG)
    for position, name in enumerate(WEIGHTS):
        try:
            hub.download(repo_id, name)
            break
        except SourceError:
            if position == len(WEIGHTS) - 1:
                raise
    for name in extra:
        try:
            hub.download(repo_id, name)
        except SourceError:  # not every model has each of them
            continue
    return Pretrained(config.parent)


def _caches() -> Iterator[Path]:
    """Give the caches that AudioCraft and the Hub's client use here."""
    home = expanded(os.environ.get("HF_HOME") or "~/.cache/huggingface")
    for folder in (os.environ.get("AUDIOCRAFT_CACHE_DIR"), os.environ.get("HF_HUB_CACHE")):
        if folder:
            yield expanded(folder)
    yield home / "hub"

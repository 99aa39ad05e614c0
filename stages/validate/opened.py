"""One exported file, opened once and looked at by many checks.

What a check asks for may not be there, since another check has just found the file damaged: the
property then raises `Unavailable`, and the check counts as skipped with that reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig

from pipeline.errors import FormatError
from stages.common.archive import Archive
from stages.common.stored import StoredTensor
from stages.common.tensors import TensorRef
from stages.common.xp_yaml import config_in
from stages.validate.keys import Shape


class Unavailable(Exception):  # noqa: N818 - why a check has nothing to look at
    """What a check needs is not there, which is for another check to report; the text says why."""


class OpenedFile:
    """An exported model, or a reference to one.

    Attributes:
        path: the file.
        stage: the stage that wrote it; forcing it writes the file anew.
        problem: why it cannot be read, else nothing.
    """

    def __init__(
        self, path: Path, stage: str, archive: Archive | None, root: object, problem: str
    ) -> None:
        """Take an open archive and what it holds, or the reason why there is none."""
        self.path, self.stage, self.problem = path, stage, problem
        self._archive, self._root = archive, root

    @classmethod
    @contextmanager
    def open(cls, path: Path, stage: str) -> Iterator[OpenedFile]:
        """Open a file for as long as the block runs; one that cannot be read is no error yet."""
        archive: Archive | None = None
        root, problem = None, ""
        with ExitStack() as stack:
            try:
                archive = stack.enter_context(Archive.open(path))
                root = archive.root
                if not isinstance(root, dict):
                    archive, problem = None, f"{path.name} does not hold a dict"
            except FormatError as error:
                archive, problem = None, f"{path.name}: {error.what}"
            except OSError as error:
                archive, problem = None, f"{path.name}: {error.strerror}"
            yield cls(path, stage, archive, root, problem)

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def remedy(self) -> str:
        """What to type to have the file written anew."""
        return f"force={self.stage} writes the file anew"

    @property
    def archive(self) -> Archive:
        """The open archive."""
        if self._archive is None:
            raise Unavailable(f"{self.name} cannot be read")
        return self._archive

    @cached_property
    def package(self) -> dict[str, Any]:
        """The dict that the file holds, tensors unread."""
        if isinstance(self._root, dict):
            return self._root
        raise Unavailable(f"{self.name} cannot be read")

    @property
    def pretrained(self) -> str | None:
        """The name that a reference holds instead of weights."""
        return str(self.package["pretrained"]) if "pretrained" in self.package else None

    @cached_property
    def tensors(self) -> dict[str, TensorRef]:
        """The weights, unread, by name."""
        state = self.package.get("best_state")
        if not isinstance(state, dict):
            raise Unavailable(f"{self.name} has no best_state")
        return {str(name): ref for name, ref in state.items() if isinstance(ref, TensorRef)}

    @cached_property
    def weights(self) -> dict[str, StoredTensor]:
        """The weights, ready to be read, by name."""
        return {name: StoredTensor(self.archive, ref, name) for name, ref in self.tensors.items()}

    @property
    def only_tensors(self) -> bool:
        """Whether best_state is a dict of tensors and nothing else."""
        state = self.package.get("best_state")
        return bool(state) and isinstance(state, dict) and len(self.tensors) == len(state)

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shapes of the weights by name."""
        return {name: ref.shape for name, ref in self.tensors.items()}

    @cached_property
    def config(self) -> DictConfig:
        """The xp.cfg, read as AudioCraft reads it."""
        text = self.package.get("xp.cfg")
        if not isinstance(text, str):
            raise Unavailable(f"{self.name} has no xp.cfg text")
        try:
            config = config_in(text)
            # OmegaConf takes a lone word for a key without a value.
            is_mapping = isinstance(yaml.compose(text), yaml.MappingNode)
        except FormatError as error:
            raise Unavailable(f"{self.name}: {error.what}") from error
        if not is_mapping:
            raise Unavailable(f"{self.name}: its xp.cfg has no keys")
        return config

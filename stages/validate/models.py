"""An exported model with all that its checks share: its file, its settings, its source."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from pipeline.stage import Progress
from stages.common.checks import Outcome
from stages.common.settings import Settings
from stages.validate.opened import OpenedFile
from stages.validate.origin import Origin
from stages.validate.parity import parity
from stages.validate.scan import Scan, scan

Row = tuple[str, Callable[[], Outcome]]
"""A check that has not run yet, with its name."""


class Model:
    """A file with all that its checks share: one pass over its bytes, its settings."""

    def __init__(
        self, file: OpenedFile, nodes: tuple[str, ...], origin: Origin, progress: Progress
    ) -> None:
        """Take an open file, the nodes of xp.cfg that its builder reads, and its source."""
        self.file, self.origin = file, origin
        self._nodes, self._progress = nodes, progress

    @cached_property
    def settings(self) -> Settings:
        """What its builder reads."""
        return Settings.of(self.file.config, self._nodes)

    @cached_property
    def scan(self) -> Scan:
        """What one pass over its bytes found."""
        tensors = {} if self.file.pretrained else self.file.tensors
        with self._progress.task(self.file.name, self._nbytes) as task:
            return scan(self.file.archive, tensors, task.advance)

    def parity(self, dtype: str) -> Outcome:
        """Compare its weights with those that it was made from, cast to ``dtype``."""
        source, file = self.origin.state, self.file
        with self._progress.task(f"{file.name} and its source", self._nbytes) as task:
            return parity(
                source, file.weights, dtype, file.remedy, self.origin.others, task.advance
            )

    @property
    def _nbytes(self) -> int:
        return 0 if self.file.pretrained else sum(ref.nbytes for ref in self.file.tensors.values())

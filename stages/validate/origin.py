"""The checkpoint that an exported file was made from, opened again where it still is.

What cannot be had raises `Unusable` with the reason: a release may be validated where its source
is not, and that is no fault of the release.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.stage import Context
from stages.common import collected
from stages.common.checkpoint import Checkpoint
from stages.common.settings import Unusable
from stages.common.states import State

_GONE = "the checkpoint that it was made from is not here any more"


class Origin:
    """The source of one exported file, opened when first asked for, closed with ``stack``.

    Attributes:
        stage: the stage that exported it.
    """

    def __init__(self, ctx: Context, stage: str, stack: ExitStack) -> None:
        """Take the records of the run; nothing is opened yet."""
        self.stage, self._ctx, self._stack = stage, ctx, stack

    @cached_property
    def state(self) -> State:
        """The weights that were chosen for the release.

        Raises:
            Unusable: when they cannot be had, with the reason.
        """
        if self.stage == "export_compression" and not collected.is_codec(self._ctx):
            return self._of_codec
        checkpoint = self._checkpoint
        try:
            return collected.state_of(self._ctx, checkpoint)
        except (PipelineError, KeyError) as error:
            raise Unusable(_reason(error)) from error

    def others(self) -> Iterator[State]:
        """Give the other whole states of the same checkpoint."""
        for name, state in self._checkpoint.states.items():
            if name != self.state.name:
                yield state

    @property
    def _of_codec(self) -> State:
        local, facts = (part(self.stage) for part in (self._ctx.local, self._ctx.facts))
        checkpoint = self._checkpoint
        if local.get("archive") != checkpoint.archive.directory_digest:
            raise Unusable("the checkpoint that it was made from has changed since")
        try:
            return checkpoint.state(str(facts.get("state")))
        except (PipelineError, KeyError) as error:
            raise Unusable(_reason(error)) from error

    @cached_property
    def _checkpoint(self) -> Checkpoint:
        path = self._path
        if path is None or not path.is_file():
            raise Unusable(_GONE)
        try:
            return self._stack.enter_context(Checkpoint.open(path))
        except PipelineError as error:
            raise Unusable(_reason(error)) from error

    @property
    def _path(self) -> Path | None:
        if self.stage == "export_lm" or collected.is_codec(self._ctx):
            return collected.file_of(self._ctx)
        known = self._ctx.local(self.stage).get("path")
        return Path(known) if known else None


def _reason(error: Exception) -> str:
    """Give the first line of an error: the others name places on this machine."""
    what = error.what if isinstance(error, PipelineError) else f"there is no state {error}"
    return f"the checkpoint that it was made from cannot be read: {what}"

"""What Hydra calls before it makes any folder."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from pipeline.errors import ELSEWHERE, OutputError, PipelineError
from pipeline.launchers import demand_installed
from pipeline.paths import expanded
from pipeline.request import demand_complete
from pipeline.tokens import refuse_composed


class Refusal(BaseException):
    """Carries an error out of a callback: Hydra turns plain exceptions there into warnings."""

    def __init__(self, error: PipelineError) -> None:
        """Wrap the error that the entry point is to print."""
        super().__init__(str(error))
        self.error = error


def demand_writable(folder: Path) -> None:
    """Make sure that the output folder is there and takes files.

    Raises:
        OutputError: when it does not, with the reason that the operating system gave.
    """
    probe = folder / f".{os.getpid()}.probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with probe.open("wb") as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        # Whatever the reason: nothing of ours can be at fault yet.
        unusable = OutputError(
            f"Cannot write the output: {error.strerror}.", str(folder), ELSEWHERE
        )
        raise OutputError.from_os(error, str(folder)) or unusable from error
    finally:
        with suppress(OSError):
            probe.unlink()


class Preflight(Callback):
    """Explains an incomplete request or an unusable output folder in our words."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Look at a single run's request and output folder."""
        self._look(config, complete=True)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Look at a sweep's launcher and output folder; each job looks at its own request."""
        self._look(config, complete=False)

    def _look(self, config: DictConfig, complete: bool) -> None:
        try:
            refuse_composed(config)
            if complete:
                demand_complete(config)
            else:
                demand_installed(config)
            outputs = Path(config.hydra.runtime.cwd, expanded(str(config.outputs)))
            demand_writable(outputs)
        except PipelineError as error:
            raise Refusal(error) from error

"""The sweeper behind ``-m``: which jobs there are, how they are run, and how each one ended.

Hydra's own would do for plain lists. It has no values that depend on what experiments have on disk,
shows the first failure alone, and knows nothing of jobs that were killed; a sweeper is where Hydra
lets all of that be added, whatever the launcher. Hydra takes plugins only from modules in a package
of this folder's name, which need not be in one place: `pipeline.app` puts this place on the path.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from pipeline import files
from pipeline.amounts import many
from pipeline.console import Terminal
from pipeline.errors import SweepError
from pipeline.jobs import Composer, Expansion, expansion
from pipeline.launching import run_jobs
from pipeline.layout import Outputs
from pipeline.sweep import DONE, Job


class ReleaseSweeper(BasicSweeper):
    """Runs every combination of what was asked for, and tells about all of them."""

    def __init__(
        self, max_batch_size: int | None, params: dict[str, str] | None, id: str | None
    ) -> None:
        """Take the options of config/hydra/sweeper/release.yaml."""
        super().__init__(max_batch_size, params)
        self.name = id or f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Tell the launcher, and through it the jobs, which sweep they are of."""
        outputs = Outputs(Path(config.hydra.sweep.dir))
        self.folder = outputs.sweep(self.name)
        config.hydra.overrides.hydra.append(f"hydra.sweeper.id={self.name}")
        if "submitit_folder" in config.hydra.launcher:
            config.hydra.launcher.submitit_folder = str(self.folder / "%j")
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> list[Job]:
        """Run the sweep.

        Raises:
            SweepError: when jobs failed; all others are complete.
        """
        assert self.launcher is not None  # Hydra has called setup
        terminal, asked = Terminal(), self._expansion(arguments)
        terminal.jobs(asked.jobs, asked.metric, asked.notes)
        ended, size = list[Job](), self.max_batch_size or len(asked.jobs)
        for begin in range(0, len(asked.jobs), size):
            ended += run_jobs(self.launcher, asked.jobs[begin : begin + size])
        terminal.ended(ended)
        if failed := [job for job in ended if job.verdict != DONE]:
            raise SweepError(
                f"{len(failed)} of {many(len(ended), 'job')} failed."
                + ("" if len(failed) == len(ended) else " The others are complete."),
                hint="The same command runs them again; what is complete is not done again.",
            )
        files.remove(self.folder)
        with suppress(OSError):
            self.folder.parent.rmdir()  # when this was the last sweep
        return ended

    def _expansion(self, arguments: list[str]) -> Expansion:
        """Find the jobs."""
        assert self.hydra_context is not None and self.config is not None
        loader, config = self.hydra_context.config_loader, self.config
        parse = OverridesParser.create(config_loader=loader).parse_overrides
        (requests,) = self.split_arguments(parse([*self._parse_config(), *arguments]), None)
        composer = Composer(parse, lambda job: loader.load_sweep_config(config, job))
        return expansion(self.name, requests, composer)

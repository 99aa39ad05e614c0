"""The sweeper behind ``-m``: which jobs there are, how they are run, and how each one ended.

Hydra's own would do for plain lists. It has no values that depend on what experiments have on disk,
shows the first failure alone, and knows nothing of jobs that were killed; a sweeper is where Hydra
lets all of that be added, whatever the launcher. Hydra takes plugins only from modules in a package
of this folder's name, which need not be in one place: `pipeline.app` puts this place on the path.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import run_job
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig

from pipeline import boards, files, job
from pipeline.amounts import many
from pipeline.console import Terminal, shown
from pipeline.errors import OutputError, PipelineError, SweepError, unexpected
from pipeline.expansion import Composer, Expansion, expansion
from pipeline.launching import run_jobs
from pipeline.layout import Outputs, ReleaseRuns
from pipeline.sweep import DONE, Job, leave_failure
from pipeline.variants import Mode
from pipeline.watch import ended_by_sigterm, watched
from pipeline.winner import winner

_ONLY_PUSH = ("stages=[push]", "from_stage=null", "until_stage=null", "force=null")


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
        if "submitit_folder" in config.hydra.launcher:  # one place for all that is of this sweep
            config.hydra.launcher.submitit_folder = str(self.folder / "%j")
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> list[Job]:
        """Run the sweep.

        Raises:
            SweepError: when jobs failed, or the best could not be pushed; the others are complete.
        """
        assert self.launcher is not None  # Hydra has called setup
        terminal, asked = Terminal(), self._expansion(arguments)
        terminal.jobs(asked.jobs, asked.metric, asked.notes)
        for jobs in _by_release(asked.jobs):
            if jobs[0].pushed_if_best:  # what keeps the best from being pushed is told before
                self._run_alone(job.check_push, jobs[0].overrides)
        ended, size = list[Job](), self.max_batch_size or len(asked.jobs)
        try:
            tell = terminal.job if self._keeps_logs else None
            with ended_by_sigterm(), watched(asked.jobs, tell):
                for begin in range(0, len(asked.jobs), size):
                    ended += run_jobs(self.launcher, asked.jobs[begin : begin + size])
            terminal.ended(ended)
            unpublished = self._publish_best(ended, terminal)
        finally:
            self._draw(ended or asked.jobs, terminal)
            if not self._keeps_logs:
                self._clear()
        failed = sum(each.verdict != DONE for each in ended)
        if failed or unpublished:
            planned = any(each.only_planned for each in ended)
            what = f"{failed} of {many(len(ended), 'job')} failed." if failed else ""
            if 0 < failed < len(ended) and not planned:
                what += " The others are complete."
            what += f" {many(unpublished, 'release')} not pushed." if unpublished else ""
            raise SweepError(
                what.strip(),
                f"What the jobs printed: {shown(self.folder)}" if self._keeps_logs else "",
                hint="This was the plan alone: nothing was made."
                if planned
                else "The same command goes on: what is complete is not done again.",
            )
        self._clear()
        return ended

    def _clear(self) -> None:
        """Remove what the jobs told; what they printed stays where some failed."""
        with suppress(OSError):
            files.remove(self.folder)
            self.folder.parent.rmdir()  # when this was the last sweep

    @property
    def _keeps_logs(self) -> bool:
        """Tell whether the jobs print into folders of their own."""
        assert self.config is not None
        return "submitit_folder" in self.config.hydra.launcher

    def _publish_best(self, ended: Sequence[Job], terminal: Terminal) -> int:
        """Push the best variant of each release, where ``select=best`` has kept back all.

        Returns:
            How many releases could not be pushed; why is told.
        """
        unpublished = 0
        for jobs in _by_release(ended):
            if not jobs[0].pushed_if_best:
                continue
            try:
                best = winner(jobs, jobs[0].choice)
                if best is None:
                    terminal.say("Jobs failed: nothing is pushed (select.allow_failed=true does)")
                    continue
                terminal.best(best.job, jobs[0].choice.metric, best.value)
                self._run_alone(job.release, (*best.job.overrides, *_ONLY_PUSH))
            except PipelineError as error:
                terminal.error(str(error))
                unpublished += 1
        return unpublished

    def _run_alone(self, task: Callable[[DictConfig], None], overrides: Sequence[str]) -> None:
        """Run a task here, with the config of the single run that some overrides ask for.

        Raises:
            PipelineError: with what went wrong.
        """
        assert self.hydra_context is not None and self.config is not None
        raised: list[Exception] = []

        def caught(cfg: DictConfig) -> None:
            try:
                task(cfg)
            except Exception as error:  # Hydra would keep it, and print a line of its own
                raised.append(error)

        ours = ("hydra.mode=", "hydra.sweeper.id=")
        typed = [o for o in self.config.hydra.overrides.hydra if not o.startswith(ours)]
        cfg = self.hydra_context.config_loader.load_configuration(
            self.config.hydra.job.config_name,
            [*typed, "hydra.mode=RUN", *overrides],
            run_mode=RunMode.RUN,
        )
        run_job(caught, cfg, "hydra.run.dir", None, self.hydra_context)
        for error in raised:
            raise _told(error) from error

    def _draw(self, jobs: Sequence[Job], terminal: Terminal) -> None:
        """Draw the boards, also of jobs that could not do it themselves."""
        for same in _by_release([each for each in jobs if not each.only_planned]):
            folder, choice = same[0].run.root.parent, same[0].choice
            try:
                for each in same:
                    leave_failure(each)
                if not folder.is_dir():
                    continue
                boards.draw(folder, choice.metric, cast(Mode, choice.mode))
                terminal.board(ReleaseRuns(folder).board_html)
            except Exception as error:  # it must not hide how the jobs ended
                terminal.say(f"The board was not drawn: {_told(error).what}")

    def _composed(self, overrides: Sequence[str]) -> DictConfig:
        assert self.hydra_context is not None and self.config is not None
        return self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))

    def _expansion(self, arguments: list[str]) -> Expansion:
        """Find the jobs."""
        assert self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        parse = parser.parse_overrides
        (requests,) = self.split_arguments(parse([*self._parse_config(), *arguments]), None)
        return expansion(self.name, requests, Composer(parse, self._composed))


def _by_release(jobs: Sequence[Job]) -> list[list[Job]]:
    """Part jobs by the release that they make."""
    parted: dict[Path, list[Job]] = {}
    for each in jobs:
        parted.setdefault(each.run.root.parent, []).append(each)
    return list(parted.values())


def _told(error: Exception) -> PipelineError:
    """Say in our words what went wrong in the driver."""
    if isinstance(error, PipelineError):
        return error
    if isinstance(error, OSError):
        refused = OutputError.from_os(error, str(error.filename or ""))
        if refused is not None:
            return refused
    return unexpected(error)

"""One run, from a composed config to a release."""

from __future__ import annotations

import json
import logging
import platform
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from pipeline import __version__, boards, files, lock, page, tokens
from pipeline.console import Terminal
from pipeline.engine import Engine
from pipeline.errors import ChecksError, PipelineError, ValidationError, unexpected
from pipeline.layout import Outputs, Run
from pipeline.manifest import pretty
from pipeline.paths import expanded
from pipeline.planning import Planner
from pipeline.request import demand_valid, resolved
from pipeline.resolvers import multirun
from pipeline.selection import Selection, select
from pipeline.stage import SILENT, Stage

logger = logging.getLogger(__name__)


def run_of(cfg: DictConfig) -> Run:
    """Give the folders of this job."""
    hydra = HydraConfig.get()
    outputs = Path(hydra.runtime.cwd, expanded(str(cfg.outputs)))
    return Run(Path(hydra.runtime.output_dir), Outputs(outputs))


def stages_of(cfg: DictConfig) -> list[Stage]:
    """Build every stage, in order, each with the part of the config that it asks for."""
    return [instantiate(node, _convert_="object") for node in cfg.stage.values()]


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Append what the engine and the stages log to the run's log."""
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in ("pipeline", "stages")]
    for each in loggers:
        each.setLevel(logging.INFO)
        each.addHandler(handler)
    try:
        yield
    finally:
        for each in loggers:
            each.removeHandler(handler)
        handler.close()


def release(cfg: DictConfig) -> None:
    """Run what the request asks for.

    Raises:
        PipelineError: with what went wrong; what succeeded stays for the next run.
    """
    demand_valid(cfg)
    tokens.refuse_in(resolved(cfg))  # which is what the run keeps
    run, terminal = run_of(cfg), Terminal(brief=multirun() and not cfg.plan_only)
    stages = stages_of(cfg)
    names = [stage.name for stage in stages]
    selection = select(names, cfg.stages, cfg.from_stage, cfg.until_stage, cfg.force)
    if multirun() and cfg.select.kind == "best":
        selection = selection.without("push")  # which of the jobs is pushed shows at the end
        if not selection.chosen:
            return
    engine = Engine(run, stages, selection, terminal)
    try:
        if cfg.plan_only:
            engine.plan(SILENT)
            return
        run.lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.hold(run.lock, cfg.lock_timeout, lambda who: terminal.say(f"waiting for {who}")):
            run.root.mkdir(parents=True, exist_ok=True)
            for left in (*run.root.glob(".*.tmp"), *run.root.glob("*.old")):
                files.remove(left)  # by a run that was killed while it put something in place
            engine.plan(terminal.progress(0, len(names), "checks"))
            with logged(run.log):
                _execute(engine, cfg, terminal)
    finally:
        _leave(run)


def check_push(cfg: DictConfig) -> None:
    """Check what pushing asks of the world outside, ahead of the jobs of which one is pushed.

    Raises:
        ChecksError: with all that is wrong.
    """
    run = run_of(cfg)
    stages = {stage.name: stage for stage in stages_of(cfg)}
    planner = Planner(run, list(stages.values()), Selection(("push",), frozenset()))
    try:
        if found := stages["push"].check(planner.context(stages["push"], SILENT)):
            raise ChecksError(found)
    finally:
        _leave(run)


def _leave(run: Run) -> None:
    with suppress(OSError):
        for folder in (run.root, run.root.parent):
            folder.rmdir()  # only ever removes the empty folders that Hydra made


def _execute(engine: Engine, cfg: DictConfig, terminal: Terminal) -> None:
    """Run the plan, and leave what people want to know about the run."""
    run = engine.run
    lasting = [step for step in engine.steps if not engine.stages[step.name].always]
    if lasting and not any(step.runs for step in lasting):  # of a push alone, only the push can say
        terminal.say("nothing has changed")
    overrides = list(HydraConfig.get().overrides.task)
    files.write_text(run.overrides, "".join(f"{line}\n" for line in overrides))
    files.write_text(run.config, yaml.safe_dump(resolved(cfg), sort_keys=False, allow_unicode=True))
    started = time.time()
    # Until it is known how it ended: Ctrl-C, a cluster's signal, or nobody reads what is printed.
    verdict, reason = "interrupted", "interrupted"
    try:
        outcomes = engine.execute()
        verdict, reason = "done", ""
        terminal.result(run, outcomes)
    except PipelineError as error:
        verdict, reason = "failed", str(error)
        logger.error("%s", error)
        if isinstance(error, ValidationError):
            _show_failed_checks(run, terminal)
        raise
    except Exception as error:
        verdict, reason = "failed", f"{type(error).__name__}: {error}"
        logger.error("%s", traceback.format_exc())
        raise unexpected(error, f"The details are in {run.log}") from error
    finally:
        with suppress(OSError):
            result = _result(engine, started, verdict, reason)
            files.write_text(run.result, pretty(result))
            _draw(engine, result, cfg.select)


def _draw(engine: Engine, result: dict[str, Any], choice: DictConfig) -> None:
    """Write the run's page, and the board of all variants of its release."""
    try:
        page.write(engine.run, result, list(engine.stages))
        boards.draw(engine.run.root.parent, choice.metric, choice.mode)
    except OSError:
        raise
    except Exception:  # they tell how runs went, and must not change how this one went
        logger.error("report.html or the board was not written\n%s", traceback.format_exc())


def _show_failed_checks(run: Run, terminal: Terminal) -> None:
    with suppress(OSError, ValueError, KeyError):
        for report in sorted(run.root.glob("*.failed/report.json")):
            terminal.checks(json.loads(report.read_text(encoding="utf-8"))["checks"])


def _versions() -> dict[str, str]:
    names: Sequence[str] = ("hydra-core", "omegaconf", "torch", "huggingface_hub", "dora-search")
    return {name: metadata.version(name) for name in names}


def _result(engine: Engine, started: float, verdict: str, reason: str) -> dict[str, Any]:
    """Give the content of run.json: for people, never pushed or hashed."""
    return {
        "pipeline": __version__,
        "python": platform.python_version(),
        "host": platform.node(),
        "versions": _versions(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 3),
        "verdict": verdict,
        "reason": reason,
        "stages": {
            outcome.name: {"verdict": outcome.verdict, "seconds": round(outcome.seconds, 3)}
            for outcome in engine.outcomes
        },
    }

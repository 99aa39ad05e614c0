"""The jobs that a sweep's overrides stand for: every combination, with rules expanded.

A rule (``checkpoint.epoch=best:3``, ``checkpoint.sig=all``, ``checkpoint.where=...``) is expanded
for each combination of the other values by itself: another experiment has other best epochs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from pipeline.errors import ConfigError, SourceError
from pipeline.layout import Outputs, Run
from pipeline.paths import expanded
from pipeline.request import demand_complete
from pipeline.resolvers import sweep_subdir
from pipeline.schema import SelectConfig
from pipeline.selection import select
from pipeline.sweep import Job

RULED = ("checkpoint.sig", "checkpoint.epoch", "checkpoint.where")
"""The keys whose values may stand for others."""


@dataclass(frozen=True)
class Composer:
    """How Hydra reads the overrides of one job.

    Attributes:
        parse: gives each override's parts.
        compose: gives the config that they lead to.
    """

    parse: Callable[[list[str]], list[Override]]
    compose: Callable[[list[str]], DictConfig]


@dataclass(frozen=True)
class Expansion:
    """What a sweep will do.

    Attributes:
        jobs: in order.
        metric: what the epochs were chosen by; empty where none were.
        notes: what was left out, and why.
    """

    jobs: tuple[Job, ...]
    metric: str
    notes: tuple[str, ...]


def expansion(sweep: str, requests: Sequence[Sequence[str]], composer: Composer) -> Expansion:
    """Expand a sweep.

    Args:
        sweep: its name.
        requests: every combination of the values that were typed, the overrides of each.
        composer: how Hydra reads them.

    Raises:
        ConfigError: for a rule that cannot be, or a request that is incomplete.
        SourceError: where a rule leads to nothing.
    """
    jobs, notes, metric = dict[tuple[str, ...], Job](), list[str](), ""
    for request in requests:
        rules, plain = _parted(request, composer)
        cfg = composer.compose(plain)
        rules = {**_ruled(cfg), **rules}
        if rules:
            metric = str(cfg.select.metric)
        for chosen, rank in _chosen(cfg, rules, notes) if rules else [({}, None)]:
            typed = (f"{key}={'null' if value is None else value}" for key, value in chosen.items())
            overrides = (*plain, *typed)
            if (key := tuple(sorted(overrides))) in jobs:
                continue
            for name, value in chosen.items():  # what composing it again would do, but faster
                OmegaConf.update(cfg, name, value)
            jobs[key] = _job(sweep, len(jobs) + 1, overrides, rank, cfg)
    if not jobs:
        what = "Nothing is left to release of what this sweep asks for."
        raise SourceError(what, "; ".join(dict.fromkeys(notes)))
    return Expansion(tuple(jobs.values()), metric, tuple(dict.fromkeys(notes)))


def _parted(request: Sequence[str], composer: Composer) -> tuple[dict[str, Any], list[str]]:
    """Part the rules from the plain overrides."""
    from stages.common.sweep_values import is_rule

    rules, plain = dict[str, Any](), list[str]()
    for text, parsed in zip(request, composer.parse(list(request)), strict=True):
        key = parsed.key_or_group
        if key in RULED and is_rule(key, parsed.value()):
            rules[key] = parsed.value()
        else:
            plain.append(text)
    return rules, plain


def _ruled(cfg: DictConfig) -> dict[str, Any]:
    """Give the rules that stand in a file."""
    from stages.common.sweep_values import is_rule

    values = {key: OmegaConf.select(cfg, key) for key in RULED}
    return {key: value for key, value in values.items() if is_rule(key, value)}


def _chosen(
    cfg: DictConfig, rules: dict[str, Any], notes: list[str]
) -> Iterator[tuple[dict[str, Any], float | None]]:
    """Give the values of each job that the rules lead to, and what it was chosen by."""
    from stages.common.sweep_values import Question, answer

    kind, dora_dir = cfg.checkpoint.kind, cfg.checkpoint.dora_dir
    given = OmegaConf.select(cfg, "checkpoint.source" if kind == "auto" else "checkpoint.sig")
    sig = rules.get("checkpoint.sig") or given
    if kind != "dora" and (kind != "auto" or "checkpoint.sig" in rules or not _is_sig(sig)):
        asked = " ".join(f"{name}={value}" for name, value in rules.items())
        raise ConfigError(
            f"checkpoint={kind} is no experiment with a history, by which this could be chosen.",
            asked,
            "Choose checkpoint=dora checkpoint.sig=//sig/1234abcd, or checkpoint.sig=all; those "
            "that the train stage has run are in checkpoint.dora_dir=outputs/dora",
        )
    if sig is None:
        hint = "Give it: checkpoint.sig=//sig/1234abcd, or all"
        raise ConfigError("checkpoint.sig is missing.", hint=hint)
    question = Question(
        dora_dir=Path(cfg.hydra.runtime.cwd, expanded(str(dora_dir))) if dora_dir else None,
        sig=str(sig),
        epoch=rules.get("checkpoint.epoch", cfg.checkpoint.epoch),
        where=rules.get("checkpoint.where"),
        metric=str(cfg.select.metric),
        mode=str(cfg.select.mode),
        solver=cfg.expect.solver,
    )
    found, filed = answer(question), cfg.checkpoint.where is not None
    notes += found.notes
    for choice in found.choices:
        chosen: dict[str, Any] = {}
        if "checkpoint.sig" in rules:
            chosen["checkpoint.sig"] = f"//sig/{choice.sig}"
        if choice.epoch is not None and choice.epoch != question.epoch:
            chosen["checkpoint.epoch"] = choice.epoch
        if filed:
            chosen["checkpoint.where"] = None
        yield chosen, choice.metric


def _is_sig(text: Any) -> bool:
    return str(text).startswith("//sig/")


def _job(
    sweep: str, number: int, overrides: tuple[str, ...], rank: float | None, cfg: DictConfig
) -> Job:
    """Give a job.

    Raises:
        ConfigError: when its request is incomplete, or asks for the best of what nobody checks.
    """
    demand_complete(cfg)
    if cfg.select.kind == "best" and cfg.validate.kind == "off":
        raise ConfigError(
            "select=best chooses among validated variants, and validate=off validates none.",
            hint="Choose validate=quick, which is the default.",
        )
    outputs = Outputs(Path(cfg.hydra.runtime.cwd, expanded(str(cfg.outputs))))
    run = Run(outputs.root / sweep_subdir(_root_=cfg), outputs)
    choice = cast(SelectConfig, OmegaConf.to_object(cfg.select))
    asked = select(list(cfg.stage), cfg.stages, cfg.from_stage, cfg.until_stage, None)
    planned = bool(cfg.plan_only)
    pushed = choice.kind == "best" and "push" in asked.chosen and not planned
    return Job(sweep, number, overrides, run, choice, pushed, planned, rank)

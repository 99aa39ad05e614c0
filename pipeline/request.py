"""A request: the config of one run, complete and within the schema."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pipeline.errors import ConfigError
from pipeline.explain import refuse_extra_keys, releases
from pipeline.paths import expanded
from pipeline.variant import missing

HERE = Path(__file__).resolve().parent
CONFIG = HERE / "config" if (HERE / "config").is_dir() else HERE.parent / "config"
"""The config folder: inside the package when installed, beside it in a clone."""

PLUGINS = HERE / "plugins"
"""Where Hydra finds our sweeper, once it is on the path."""

_HINTS = {
    "checkpoint.sig": "Give the signature: checkpoint.sig=//sig/1234abcd",
    "checkpoint.dora_dir": "Give the folder that holds xps/: checkpoint.dora_dir=/path/to/dora, "
    "or set AUDIOCRAFT_DORA_DIR",
    "checkpoint.path": "Give the file: checkpoint.path=/path/to/checkpoint.th",
    "checkpoint.url": "Give the address: checkpoint.url=https://...",
    "checkpoint.repo_id": "Give the Hub id: checkpoint.repo_id=org/name",
    "checkpoint.source": "Give what to release: checkpoint.source=//sig/1234abcd, "
    "a file, a folder, an https:// URL or a Hub id",
    "checkpoint.package": "Give the training package: checkpoint.package=audiocraft",
    "compression.pretrained": "Name the codec: compression.pretrained=facebook/encodec_32khz",
    "compression.source": "Give the codec: compression.source= a file, a folder, an https:// URL "
    "or a Hub id",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def demand_complete(cfg: DictConfig) -> None:
    """Refuse a request that misses something, names nothing, or names several releases.

    Raises:
        ConfigError: with what to type; for an outputs folder in the home of nobody, too.
    """
    typed = OmegaConf.select(cfg, "hydra.overrides.task") or ()
    merged = [override for override in typed if override.startswith("+release=[")]
    if merged or len([o for o in typed if o.startswith("+release=")]) > 1:
        raise ConfigError(
            "Several releases were merged into one.",
            " ".join(o for o in typed if o.startswith("+release=")),
            "Give one; to run several in turn: python -m pipeline -m +release=a,b",
        )
    lacking = missing(cfg)
    if "name" in lacking:
        known = releases(CONFIG)
        example = "musicgen_small" if "musicgen_small" in known else known[0]
        raise ConfigError(
            "No release was chosen.",
            hint=f"python -m pipeline +release={example}   (there are: {', '.join(known)})",
        )
    if lacking:
        key = lacking[0]
        raise ConfigError(f"{key} is missing.", hint=_HINTS.get(key, f"Give it: {key}=..."))
    _demand_one_job(cfg)
    if cfg.select.mode not in ("min", "max"):
        what = f"select.mode={cfg.select.mode}: there is no such choice."
        raise ConfigError(what, hint="min, where the least is the best, or max")
    expanded(str(cfg.outputs))


def _demand_one_job(cfg: DictConfig) -> None:
    """Refuse what stands for several jobs, where no sweep has put the jobs in its place."""
    epoch, where = cfg.checkpoint.epoch, cfg.checkpoint.where
    sig = str(OmegaConf.select(cfg, "checkpoint.sig"))
    if sig == "all" or sig.startswith("grid:"):
        what = f"checkpoint.sig={sig} is not a single experiment."
        raise ConfigError(what, hint="Several need a sweep: python -m pipeline -m ...")
    if where is not None:
        what = "checkpoint.where chooses among the jobs of a sweep, and this is a single run."
        raise ConfigError(what, hint="Sweep: python -m pipeline -m ..., with the same overrides")
    if epoch is not None and (isinstance(epoch, bool) or not isinstance(epoch, int)):
        raise ConfigError(
            f"checkpoint.epoch={epoch} is not a single epoch.",
            hint="Give a number: checkpoint.epoch=10. Several, all, best:3, last:5 and every:10 "
            "need a sweep: python -m pipeline -m ...",
        )


def demand_valid(cfg: DictConfig) -> None:
    """Refuse keys outside of the schema, and names that make no folder.

    Raises:
        ConfigError: with what to type.
    """
    refuse_extra_keys(cfg)
    demand_complete(cfg)
    if not _NAME.fullmatch(str(cfg.name)):
        raise ConfigError(
            f"name={cfg.name}: a release's name is made of letters, digits, dots, - and _."
        )


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """Give the request as plain values, interpolations resolved; missing ones stay ``???``."""
    shown = {key: cfg._get_node(key) for key in cfg if key not in ("stage", "hydra")}
    plain: dict[str, Any] = {}
    for key, node in shown.items():
        plain[str(key)] = (
            OmegaConf.to_container(node, resolve=True)
            if OmegaConf.is_config(node)
            else OmegaConf.select(cfg, str(key))
        )
    return plain

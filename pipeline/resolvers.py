"""The functions that config files may call: ``${run_dir:}``, ``${sweep_subdir:}``, ``${path:...}``.

A resolver that raises gives hundreds of lines of traceback, so these never do: what is wrong with
a request shows up as the variant `_incomplete` and is explained before anything is written.
"""

from __future__ import annotations

import os
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.variant import INCOMPLETE, slug, variant_name

_MEMORY = {"off": 1, "quick": 4, "full": 16}
"""Gigabytes. An export holds 0.1 whatever the model; quick 0.8, a layer at a time, more of wide
ones; full all of the language model in float32: 13.2 for MusicGen large, and 1."""


def join(base: str, path: str) -> str:
    """Join a path to a base; an absolute path stands alone."""
    return str(Path(base, os.path.expanduser(path)))


def sweep_subdir(*, _root_: DictConfig) -> str:
    """Give ``<release>/<variant>``."""
    try:
        release = slug(str(OmegaConf.select(_root_, "name") or INCOMPLETE))
        return f"{release}/{variant_name(_root_, Path(_root_.hydra.runtime.cwd))}"
    except (OmegaConfBaseException, KeyError, ValueError, TypeError):
        return f"{INCOMPLETE}/{INCOMPLETE}"


def run_dir(*, _root_: DictConfig) -> str:
    """Give ``<outputs>/<release>/<variant>``, absolute."""
    outputs = join(_root_.hydra.runtime.cwd, str(_root_.outputs))
    return f"{outputs}/{sweep_subdir(_root_=_root_)}"


def multirun() -> bool:
    """Tell whether this job is one of a sweep."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def one_of_many(*, _root_: DictConfig) -> bool:
    """Tell whether this job is one of a sweep of which none is chosen as the one."""
    return multirun() and OmegaConf.select(_root_, "select.kind") != "best"


def job_memory(*, _root_: DictConfig) -> int:
    """Give the gigabytes that a job of a sweep is to ask a cluster for, by what validate holds."""
    return _MEMORY.get(str(OmegaConf.select(_root_, "validate.kind")), max(_MEMORY.values()))


def register() -> None:
    """Make the functions known to OmegaConf."""
    OmegaConf.register_new_resolver("path", join, replace=True)
    OmegaConf.register_new_resolver("run_dir", run_dir, replace=True)
    OmegaConf.register_new_resolver("sweep_subdir", sweep_subdir, replace=True)
    OmegaConf.register_new_resolver("one_of_many", one_of_many, replace=True)
    OmegaConf.register_new_resolver("job_memory", job_memory, replace=True)

"""Composing a request in a test, as the entry point does."""

from __future__ import annotations

from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, open_dict

from pipeline import app, request

REGISTERED = app.job
"""Importing the entry point registers the resolvers and the schema."""


def composed(*overrides: str, cwd: Path = Path("/clone")) -> DictConfig:
    """Compose a request, with the hydra node that a run would have."""
    with initialize_config_dir(str(request.CONFIG), version_base="1.3"):
        cfg = compose("config", list(overrides), return_hydra_config=True)
    with open_dict(cfg):
        cfg.hydra.runtime.cwd = str(cwd)
    return cfg


def task(cfg: DictConfig) -> DictConfig:
    """Give the part of a composed config that a job sees."""
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg

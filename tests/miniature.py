"""The miniature at a size for tests: the same program, a few thousand parameters."""

from __future__ import annotations

from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "stages/miniature/config"
TINY = (
    "transformer_lm.dim=8",
    "transformer_lm.card=16",
    "synthetic.palette=8",
    "synthetic.steps=8",
    "dataset.batch_size=4",
    "dataset.valid.num_samples=8",
    "optim.updates_per_epoch=4",
    "schedule.cosine.warmup=2",
)


def config_of(*overrides: str) -> DictConfig:
    """Compose the miniature's config, as Dora does."""
    with initialize_config_dir(str(CONFIG), version_base="1.3"):
        return compose("config", list(overrides))

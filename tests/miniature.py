"""The miniature at a size for tests: the same program, a few thousand parameters."""

from __future__ import annotations

from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from stages.miniature.compression import CompressionSolver

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "stages/miniature/config"
CODEC = "c0dec000"
_SOUND = ("sample_rate=400", "dataset.segment_duration=1")
TINY_CODEC = (
    "solver=compression",
    *_SOUND,
    "synthetic.unquantized=2",
    "seanet.ratios=[4,4]",
    "seanet.n_filters=2",
    "seanet.dimension=4",
    "rvq.bins=16",
    "mrstft.n_ffts=[16,32]",
    "mrstft.hop_lengths=[8,16]",
    "dataset.batch_size=4",
    "dataset.valid.num_samples=8",
    "optim.updates_per_epoch=4",
    "schedule.cosine.warmup=2",
)
TINY = (
    f"compression_model_checkpoint=//sig/{CODEC}",
    *_SOUND,
    "transformer_lm.dim=8",
    "transformer_lm.card=16",
    "dataset.batch_size=4",
    "dataset.train.num_samples=16",
    "dataset.valid.num_samples=8",
    "optim.updates_per_epoch=4",
    "schedule.cosine.warmup=2",
)


def config_of(*overrides: str) -> DictConfig:
    """Compose the miniature's config, as Dora does."""
    with initialize_config_dir(str(CONFIG), version_base="1.3"):
        return compose("config", list(overrides))


def codec_beside(folder: Path) -> None:
    """Train the codec that `TINY` names, where an experiment in ``folder`` looks for it."""
    place = folder.parent / CODEC
    place.mkdir(parents=True)
    CompressionSolver(config_of(*TINY_CODEC), place, CODEC, lambda history: None).run()

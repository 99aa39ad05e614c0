"""The launchers that come with an extra: what is missing when one is chosen without it."""

from __future__ import annotations

from importlib.util import find_spec

from omegaconf import DictConfig, OmegaConf

from pipeline.errors import ConfigError

EXTRAS = {
    "joblib": "joblib",
    "ray": "ray",
    "slurm": "slurm",
    "submitit_local": "slurm",
    "submitit_slurm": "slurm",
}
"""The extra of each launcher; a preset of ours composes without it, a launcher's own config not."""


def uninstalled(launcher: str) -> ConfigError:
    """Say which extra a launcher needs."""
    extra = EXTRAS[launcher]
    return ConfigError(
        f"hydra/launcher={launcher} needs the extra '{extra}', which is not installed.",
        hint=f"pip install '.[{extra}]'",
    )


def demand_installed(config: DictConfig) -> None:
    """Refuse a sweep with a launcher that is not installed, which Hydra finds out by a traceback.

    Raises:
        ConfigError: with what to install.
    """
    chosen = OmegaConf.select(config, "hydra.runtime.choices", default={}).get("hydra/launcher")
    target = str(OmegaConf.select(config, "hydra.launcher._target_", default=""))
    if chosen in EXTRAS and not _found(".".join(target.split(".")[:2])):
        raise uninstalled(chosen)


def _found(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # of the plugins, none is installed
        return False

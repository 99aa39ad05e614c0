"""A run's config as checkpoints hold it: a tree of plain values, or YAML text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.errors import FormatError

MAX_LENGTH = 1 << 20
"""Characters of YAML; a real config takes six thousand."""

MAX_DEPTH = 50
"""Collections in collections; a real config has about five."""


def config_in(value: Any) -> DictConfig:
    """Give an ``xp.cfg``, its interpolations unresolved.

    Raises:
        FormatError: when it is neither a dict nor YAML of one.
    """
    try:
        if isinstance(value, str):
            _demand_harmless(value)
        elif not isinstance(value, Mapping):
            raise FormatError(f"Its xp.cfg is a {type(value).__name__}, not a config.")
        config = OmegaConf.create(value)
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0][:120]
        raise FormatError(f"Its xp.cfg cannot be read: {reason}") from error
    if not isinstance(config, DictConfig):
        raise FormatError("Its xp.cfg is not a config with keys.")
    return config


def _demand_harmless(text: str) -> None:
    """Refuse a few lines of YAML that stand for gigabytes: aliases of aliases of aliases."""
    if len(text) > MAX_LENGTH:
        raise FormatError(f"Its xp.cfg is too long: {len(text)} characters.")
    loader, depth = getattr(yaml, "CSafeLoader", yaml.SafeLoader), 0
    for event in yaml.parse(text, Loader=loader):
        opens = isinstance(event, yaml.CollectionStartEvent)
        depth += opens - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH or isinstance(event, yaml.AliasEvent):
            raise FormatError("Its xp.cfg is nested or repeats itself as no run writes it.")

"""Is it what the release claims to be? Differences are warnings: a person may mean them."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from stages.common.checks import Outcome, passed, phrased, skipped, warned
from stages.common.xp_yaml import without_calls

REMEDY = "choose another checkpoint, or correct expect in the release file"
MINIATURE = "a miniature's size is not held against the release"


def solver(claimed: str | None, found: Any) -> Outcome:
    """Compare the kind of model."""
    if claimed is None:
        return skipped("the release does not claim a solver")
    if claimed != found:
        return warned(f"The release claims solver {claimed}, the checkpoint is {found}.", REMEDY)
    return passed(f"solver {found}")


def config(claimed: Mapping[str, Any], found: DictConfig, miniature: bool) -> Outcome:
    """Compare the architecture: dotted keys of xp.cfg."""
    if not claimed:
        return skipped("the release does not claim a config")
    if miniature:
        return skipped(MINIATURE)
    different, known = [], without_calls(found)
    for key, value in claimed.items():
        there, actual = _select(known, key)
        if not there:
            near = get_close_matches(key, _keys(OmegaConf.to_container(found)), 1)
            different.append(f"{key} is not in xp.cfg" + (f" (but {near[0]})" if near else ""))
        elif actual != _plain(value):
            different.append(f"{key} should be {_plain(value)}, is {actual}")
    if different:
        return warned(f"The release claims otherwise: {phrased(different)}.", REMEDY)
    return passed(f"{len(claimed)} values of xp.cfg as claimed")


def codec(claimed: str | None, found: str, miniature: bool) -> Outcome:
    """Compare the name of the codec, or of what its weights came from."""
    if claimed is None:
        return skipped("the release does not claim a codec")
    if miniature:
        return skipped(MINIATURE)
    if claimed != found:
        return warned(f"The release claims codec {claimed}, it has {found}.", REMEDY)
    return passed(f"codec {found}")


def _select(config: DictConfig, key: str) -> tuple[bool, Any]:
    missing = object()
    try:
        value = OmegaConf.select(config, key, default=missing)
    except OmegaConfBaseException:
        return False, None
    return value is not missing, _plain(value)


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def _keys(node: Any, prefix: str = "") -> list[str]:
    if not isinstance(node, dict):
        return []
    own = {f"{prefix}{key}": value for key, value in node.items()}
    return [*own, *(key for name, value in own.items() for key in _keys(value, f"{name}."))]

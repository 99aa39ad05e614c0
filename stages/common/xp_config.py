"""xp.cfg, the config that a training run leaves in its checkpoint, made fit to publish.

Everything stays that AudioCraft's builders read. What goes: nodes about the machine and the
tracking of the run, and strings that tell paths, names or logins. Such a string becomes null and
not an empty string: AudioCraft tests its optional paths with ``is None`` (``eval_wavs``,
``cache_path``, ``metrics.*.bin``), so that an empty one would be opened, or make a cache right in
the working directory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from pipeline.errors import ConfigError
from stages.common.privacy import is_private

REMOVED = ("dora", "slurm", "wandb", "tensorboard", "logging", "datasource", "execute_*")
"""Patterns of the top-level nodes that a release does without."""

# A plain reference to another node; the dots make it relative. Whatever is more involved than this
# and touches a removed node is blanked.
_REFERENCE = re.compile(r"\$\{\s*(\.*)([A-Za-z_][\w-]*(?:\.[\w-]+)*)\s*\}")
_TYPO = 0.9
"""Two names as alike as this are one name, misspelt."""


@dataclass(frozen=True)
class Cleaned:
    """A config without what is private.

    Attributes:
        config: what is left, interpolations alive.
        removed: the nodes that went.
        blanked: the strings that became null, as dotted keys (``a.b[0]`` in a list).
    """

    config: DictConfig
    removed: tuple[str, ...] = ()
    blanked: tuple[str, ...] = ()


def to_yaml(config: DictConfig) -> str:
    """Write the config as AudioCraft's export does: YAML, interpolations unresolved."""
    return OmegaConf.to_yaml(config)


def clean(config: DictConfig) -> Cleaned:
    """Remove and blank what is private, and leave no interpolation that points at nothing."""
    plain = _plain(config)
    removed = tuple(key for key in plain if _goes(str(key)))
    cleaner = _Cleaner(plain)
    kept = {k: cleaner.walk(v, (str(k),)) for k, v in plain.items() if k not in removed}
    return Cleaned(OmegaConf.create(kept), removed, tuple(cleaner.blanked))


def loadable(config: DictConfig) -> DictConfig:
    """Write ``conditioners: null`` as an empty dict: AudioCraft's loader looks into it."""
    plain = _plain(config)
    if plain.get("conditioners", {}) is not None:
        return config
    return OmegaConf.create({**plain, "conditioners": {}})


def apply_overrides(config: DictConfig, overrides: Mapping[str, Any]) -> DictConfig:
    """Set dotted keys, ``{"dataset.segment_duration": 30}``; nested dicts are merged.

    A key may be new where its parent is a node, since old configs lack keys that today's AudioCraft
    wants; a new key that is an existing one but for a letter is taken for a typing mistake.

    Raises:
        ConfigError: for a key whose parent is not there, or a misspelt one, with near names.
    """
    if not overrides:
        return config
    plain = _plain(config)
    for key, value in overrides.items():
        if isinstance(value, DictConfig | ListConfig):
            value = OmegaConf.to_container(value, resolve=True)
        _override(plain, str(key), deepcopy(value))
    return OmegaConf.create(plain)


def _goes(node: str) -> bool:
    """Tell whether a top-level node is one that a release does without."""
    return any(fnmatchcase(node, pattern) for pattern in REMOVED)


def _plain(config: DictConfig) -> dict[Any, Any]:
    plain = OmegaConf.to_container(config, resolve=False)
    return plain if isinstance(plain, dict) else {}


def _override(plain: dict[Any, Any], key: str, value: Any) -> None:
    *parents, leaf = key.split(".")
    node: Any = plain
    for parent in parents:
        node = node.get(parent) if isinstance(node, dict) else None
    if not isinstance(node, dict) or not leaf:
        raise _unknown(key, _keys(plain), ".".join(parents))
    if isinstance(value, dict) and value and isinstance(node.get(leaf), dict):
        for name, held in value.items():
            _override(plain, f"{key}.{name}", held)
        return
    if leaf not in node and (near := get_close_matches(leaf, map(str, node), 1, _TYPO)):
        raise _unknown(key, [".".join([*parents, near[0]])], "")
    node[leaf] = value


def _unknown(key: str, candidates: list[str], parent: str) -> ConfigError:
    near = get_close_matches(key, candidates, 2, 0.7)
    if near:
        hint = f"Did you mean {' or '.join(near)}?"
    elif _goes(key.partition(".")[0]):
        hint = "Nodes about the machine are left out: export.sanitize=false keeps them."
    else:
        hint = (
            "Give dotted keys of xp.cfg: 'export.config_overrides={dataset.segment_duration: 30}'"
        )
    where = f"There is no node {parent} to put it in." if parent else ""
    return ConfigError(f"export.config_overrides: xp.cfg has no {key}.", where, hint)


def _keys(node: Any, prefix: str = "") -> list[str]:
    """List every dotted key, of nodes and leaves."""
    if not isinstance(node, dict):
        return []
    own = {f"{prefix}{key}": held for key, held in node.items()}
    return [*own, *(key for name, held in own.items() for key in _keys(held, f"{name}."))]


class _Cleaner:
    """Walks a config once, by its parts' names."""

    def __init__(self, plain: dict[Any, Any]) -> None:
        self.plain = plain
        self.blanked: list[str] = []
        names = "|".join(pattern.replace("*", r"[\w-]*") for pattern in REMOVED)
        # Inside the braces of an interpolation, which may hold one more.
        within = r"\$\{(?:[^{}]|\$\{[^{}]*\})*?"
        self.mention = re.compile(rf"{within}(?<!\w)(?<!\w\.)(?:{names})(?![\w-])")

    def walk(self, value: Any, at: tuple[str, ...]) -> Any:
        """Give the value without what is private; ``at`` is where it stands."""
        if isinstance(value, dict):
            return {key: self.walk(held, (*at, str(key))) for key, held in value.items()}
        if isinstance(value, list):
            return [self.walk(held, (*at, f"[{i}]")) for i, held in enumerate(value)]
        if not isinstance(value, str):
            return value
        public, text = self.public(value, at, frozenset())
        if not public:
            self.blanked.append(".".join(at).replace(".[", "["))
        return text

    def public(self, text: str, at: tuple[str, ...], seen: frozenset[Any]) -> tuple[bool, Any]:
        """Give ``(True, value)``, references to removed nodes replaced; else ``(False, None)``."""
        if is_private(text):
            return False, None
        if (whole := _REFERENCE.fullmatch(text)) and self.leaves(self.target(whole, at)):
            return self.inline(self.target(whole, at), seen)
        pieces, end = [], 0
        for match in _REFERENCE.finditer(text):
            target = self.target(match, at)
            piece: Any = match[0]
            if self.leaves(target):
                public, piece = self.inline(target, seen)
                if not public:
                    return False, None
            elif seen:
                # Moved away from its place: what was relative no longer is.
                piece = f"${{{'.'.join(target)}}}"
            pieces += [text[end : match.start()], str(piece)]
            end = match.end()
        joined = "".join([*pieces, text[end:]])
        fine = not is_private(joined) and not self.mention.search(joined)
        return fine, joined if fine else None

    def inline(self, target: tuple[str, ...], seen: frozenset[Any]) -> tuple[bool, Any]:
        """Give what a removed node holds, when that is one public value."""
        value: Any = self.plain
        for part in target:
            value = value.get(part, "???") if isinstance(value, dict) else "???"
        if isinstance(value, str) and value != "???" and target not in seen:
            return self.public(value, target, seen | {target})
        fine = value is None or isinstance(value, bool | int | float)
        return fine, value if fine else None

    def leaves(self, target: tuple[str, ...]) -> bool:
        """Tell whether the node at ``target`` goes, or is gone already."""
        return bool(target) and _goes(target[0])

    @staticmethod
    def target(match: re.Match[str], at: tuple[str, ...]) -> tuple[str, ...]:
        """Give the full key that a reference at ``at`` points to."""
        name = tuple(match[2].split("."))
        return (*at[: -len(match[1])], *name) if match[1] else name

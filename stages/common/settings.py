"""The part of an xp.cfg that AudioCraft's builders read, resolved the way they resolve it.

A builder takes one node at a time and resolves the whole of it, so a dangling interpolation in a
node that no builder reads (``generate``, ``metrics``) does no harm and is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from stages.common.xp_yaml import without_calls

LM_NODES = (
    "solver",
    "lm_model",
    "transformer_lm",
    "codebooks_pattern",
    "conditioners",
    "fuser",
    "classifier_free_guidance",
    "attribute_dropout",
    "interleave_stereo_codebooks",
    "compression_model_n_q",
    "dataset.segment_duration",
    "masking",
    "sample_rate",
    "channels",
)
"""What `load_lm_model`, `get_lm_model` and `get_wrapped_compression_model` read."""

CODEC_NODES = (
    "solver",
    "compression_model",
    "encodec",
    "seanet",
    "rvq",
    "no_quant",
    "sample_rate",
    "channels",
)
"""What `load_compression_model` and `get_compression_model` read."""

LARGEST = 1 << 20
"""No size in a real model comes near; a key model must not be talked into counting to it."""

_ABSENT = object()


class Unusable(Exception):  # noqa: N818 - a statement about the config, for whoever judges the config to catch
    """A value that is not there, or not what the builders can use; its text says which."""


class Settings:
    """Resolved values by dotted path."""

    def __init__(self, nodes: Mapping[str, Any], dangling: Mapping[str, str]) -> None:
        """Take plain values by node, and the nodes that do not resolve with the reason."""
        self._nodes, self.dangling = dict(nodes), dict(dangling)

    @classmethod
    def of(cls, config: DictConfig, names: Iterable[str]) -> Settings:
        """Resolve the nodes ``names`` of an xp.cfg, as far as they resolve without a resolver."""
        config = without_calls(config)
        nodes: dict[str, Any] = {}
        dangling: dict[str, str] = {}
        for name in names:
            try:
                value = _resolved(config, name)
            except OmegaConfBaseException as error:
                dangling[name] = str(error).splitlines()[0]
                continue
            if value is not _ABSENT:
                nodes[name] = value
        return cls(nodes, dangling)

    def get(self, path: str, default: Any = None) -> Any:
        """Give the value at a dotted path, or ``default`` where nothing is there."""
        value = self._find(path)
        return default if value is _ABSENT else value

    def has(self, path: str) -> bool:
        """Tell whether the path is there, be it null."""
        return self._find(path) is not _ABSENT

    def need(self, path: str) -> Any:
        """Give the value at a dotted path.

        Raises:
            Unusable: when it is not there.
        """
        value = self._find(path)
        if value is _ABSENT:
            raise Unusable(f"{path} is missing")
        return value

    def count(self, path: str, default: int | None = None, least: int = 1) -> int:
        """Give a whole number of at least ``least``.

        Raises:
            Unusable: when it is missing without a default, or anything else.
        """
        value = self.need(path) if default is None else self.get(path, default)
        if type(value) is not int or not least <= value <= LARGEST:
            raise Unusable(f"{path} is {value!r}, not a whole number from {least} on")
        return value

    def counts(self, path: str, default: list[int], most: int) -> list[int]:
        """Give a list of whole numbers, each from 1 to ``most``.

        Raises:
            Unusable: when it is anything else.
        """
        value = self.get(path, default)
        if not isinstance(value, list) or not all(type(n) is int and 0 < n <= most for n in value):
            raise Unusable(f"{path} is {value!r}, not a list of whole numbers")
        return value

    def number(self, path: str, default: float, most: float) -> float:
        """Give a number above 0, of at most ``most``.

        Raises:
            Unusable: when it is anything else.
        """
        value = self.get(path, default)
        if not isinstance(value, int | float) or not 0 < value <= most:
            raise Unusable(f"{path} is {value!r}, not a number")
        return value

    def flag(self, path: str, default: bool) -> bool:
        """Give a truth value; null counts as false, as in AudioCraft."""
        return bool(self.get(path, default))

    def mapping(self, path: str) -> dict[str, Any]:
        """Give a node with keys of its own; null counts as an empty one.

        Raises:
            Unusable: when it is a value or a list.
        """
        value = self.get(path)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise Unusable(f"{path} is {value!r}, not a node")
        return {str(key): entry for key, entry in value.items()}

    def names(self, path: str) -> list[str]:
        """Give a list of names; null counts as an empty one.

        Raises:
            Unusable: when it is not a list.
        """
        value = self.get(path)
        if value is None:
            return []
        if not isinstance(value, list):
            raise Unusable(f"{path} is {value!r}, not a list")
        return [str(entry) for entry in value]

    @property
    def conditioners(self) -> dict[str, str]:
        """The conditioners of a language model: model by name."""
        found = self.mapping("conditioners")
        return {
            name: str(self.get(f"conditioners.{name}.model")) for name in found if name != "args"
        }

    @property
    def interleaved(self) -> bool:
        """Whether a language model speaks two channels in turn, each in codes of a mono codec."""
        return self.flag("interleave_stereo_codebooks.use", False)

    def _find(self, path: str) -> Any:
        for name, node in self._nodes.items():
            if path == name:
                return node
            if path.startswith(f"{name}."):
                return _walk(node, path.removeprefix(f"{name}.").split("."))
        return _ABSENT


def _resolved(config: DictConfig, name: str) -> Any:
    parent: Any = config
    *above, last = name.split(".")
    for part in above:
        parent = parent.get(part) if isinstance(parent, DictConfig) else None
    if not isinstance(parent, DictConfig) or last not in parent:
        return _ABSENT
    if OmegaConf.is_missing(parent, last):
        return _ABSENT
    value = parent[last]
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _walk(node: Any, parts: list[str]) -> Any:
    for part in parts:
        if not isinstance(node, dict) or part not in node or node[part] == "???":
            return _ABSENT
        node = node[part]
    return node

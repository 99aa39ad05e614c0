"""A run's config as checkpoints hold it: a tree of plain values, or YAML text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import yaml
from omegaconf import DictConfig, OmegaConf

from pipeline.errors import FormatError
from stages.common.expansion import demand_bounded
from stages.common.inert import shown

MAX_LENGTH = 1 << 17
"""Characters of YAML; a real config takes six thousand."""

MAX_VALUES = 5000
"""Keys, values and collections; a real config has about four hundred, and OmegaConf takes more than
a kilobyte for each."""

MAX_INTERPOLATED = 1 << 14
"""Characters of all texts with interpolations; OmegaConf parses them at a kilobyte for each one."""

MAX_DEPTH = 50
"""Collections in collections; a real config has about five."""


def config_in(value: Any) -> DictConfig:
    """Give an ``xp.cfg``, its interpolations unresolved.

    Raises:
        FormatError: when it is neither a dict nor YAML of one, or larger than any run's, as it is
            or once it is resolved.
    """
    if not isinstance(value, str | dict):
        raise FormatError(f"Its xp.cfg is a {type(value).__name__}, not a config.")
    try:
        _demand_small(_in_text(value) if isinstance(value, str) else _in_tree(value))
        config = OmegaConf.create(value)
        if isinstance(config, DictConfig):
            demand_bounded(_callless(config))
    except FormatError:
        raise
    except Exception as error:  # PyYAML raises whatever a wrong tag or number leads it into
        reason = shown(str(error).partition("\n")[0])
        raise FormatError(f"Its xp.cfg cannot be read: {reason}") from error
    if not isinstance(config, DictConfig):
        raise FormatError("Its xp.cfg is not a config with keys.")
    return config


def without_calls(config: DictConfig) -> DictConfig:
    """Give a copy that can be resolved here: null where a text calls a resolver.

    ``${oc.env:HF_TOKEN}`` would otherwise bring a secret of this machine into a release.
    """
    return cast(DictConfig, OmegaConf.create(_callless(config)))


def _callless(config: Any) -> Any:
    return _quiet(OmegaConf.to_container(config, resolve=False))


def _quiet(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _quiet(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_quiet(item) for item in value]
    # Every call has both, however it is nested; so has an address with a part to fill in.
    calls = isinstance(value, str) and "${" in value and ":" in value
    return None if calls else value


def _demand_small(values: Iterable[Any]) -> None:
    """Refuse what OmegaConf would make too much of."""
    interpolated = 0
    for count, value in enumerate(values):
        if isinstance(value, str) and "${" in value:
            interpolated += len(value)
        if count >= MAX_VALUES or interpolated > MAX_INTERPOLATED:
            raise FormatError("Its xp.cfg is larger than that of any run.")


def _in_text(text: str) -> Iterator[Any]:
    """Give what YAML holds, before anything is made of it."""
    for event in events_in(text):
        if isinstance(event, yaml.CollectionStartEvent | yaml.ScalarEvent):
            yield getattr(event, "value", None)


def events_in(text: str) -> Iterator[yaml.Event]:
    """Parse YAML into its events, from which nothing is made yet.

    Raises:
        FormatError: when it is longer or nested deeper than any run's, or repeats itself.
        yaml.YAMLError: when it is no YAML.
    """
    if len(text) > MAX_LENGTH:
        raise FormatError(f"Its xp.cfg is too long: {len(text)} characters.")
    loader, depth = getattr(yaml, "CSafeLoader", yaml.SafeLoader), 0
    for event in yaml.parse(text, Loader=loader):
        opens = isinstance(event, yaml.CollectionStartEvent)
        depth += opens - isinstance(event, yaml.CollectionEndEvent)
        # A few lines with aliases of aliases of aliases stand for gigabytes.
        if depth > MAX_DEPTH or isinstance(event, yaml.AliasEvent):
            raise FormatError("Its xp.cfg is nested or repeats itself as no run writes it.")
        yield event


def _in_tree(value: Any) -> Iterator[Any]:
    """Give what nested containers hold."""
    yield value
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from _in_tree(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _in_tree(item)
    elif not isinstance(value, str | bytes | int | float | None):
        # OmegaConf would take a dataclass, such as what stands for a tensor, for a config.
        raise FormatError(f"Its xp.cfg holds a {type(value).__name__}.")

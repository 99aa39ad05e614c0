"""Hydra's and OmegaConf's errors in our words: what is wrong, where, what to type.

Hydra alone would suggest ``+key=value``, which gets past the schema, and prints three lines of its
own around each error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hydra.errors import ConfigCompositionException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException, ValidationError

from pipeline.errors import ConfigError, PipelineError
from pipeline.launchers import EXTRAS, uninstalled
from pipeline.schema import OPEN, PipelineConfig

_ALL_KEYS = "All keys: python -m pipeline --cfg job"
_FREE = {"stage", *OPEN}


def schema_keys(schema: Any = PipelineConfig, prefix: str = "") -> Iterator[str]:
    """List every dotted key that a request may hold."""
    for field in fields(schema):
        name = prefix + field.name
        yield name
        nested = _dataclass_of(field.type)
        if nested is not None:
            yield from schema_keys(nested, f"{name}.")


def _dataclass_of(annotation: Any) -> Any:
    import pipeline.schema as schema

    found = getattr(schema, str(annotation).removesuffix(" | None"), None)
    return found if is_dataclass(found) else None


def unknown_key(key: str) -> ConfigError:
    """Say that a key does not exist, and name the one that was probably meant."""
    what = f"There is no key '{key}'."
    if key == "release":
        return ConfigError(what, hint="Choose a release with a plus sign: +release=NAME")
    known, group = list(schema_keys()), key.rpartition(".")[0]
    siblings = [name for name in known if group and name.startswith(f"{group}.")]
    found = get_close_matches(key, siblings or known, 1)
    hint = f"Did you mean {found[0]}? " if found else ""
    names = ", ".join(name.removeprefix(f"{group}.") for name in siblings)
    return ConfigError(what, hint=hint + (f"Keys of {group}: {names}." if names else _ALL_KEYS))


def refuse_extra_keys(cfg: DictConfig) -> None:
    """Refuse what ``+key=value`` brought past the schema.

    Raises:
        ConfigError: naming the first such key.
    """
    known = set(schema_keys())

    def walk(node: DictConfig, prefix: str) -> None:
        for key in node:
            name = f"{prefix}{key!s}"
            if name not in known:
                raise unknown_key(name)
            if OmegaConf.is_missing(node, key) or name in _FREE:
                continue
            child = node._get_node(key)
            if isinstance(child, DictConfig) and not child._is_none():
                walk(child, f"{name}.")

    walk(cfg, "")


def _group(error: MissingConfigException, text: str) -> ConfigError:
    name = str(error.missing_cfg_file or "").removesuffix(".yaml")
    group, _, option = name.rpartition("/")
    options = sorted(error.options or ())
    if group == "hydra/launcher" and option in EXTRAS:
        return uninstalled(option)
    if not group:
        return ConfigError(text.splitlines()[0])
    found = get_close_matches(option, options, 1)
    sign = "+" if group == "release" else ""
    hint = f"Did you mean {sign}{group}={found[0]}? " if found else ""
    return ConfigError(
        f"There is no '{option}' in the group '{group}'.",
        hint=f"{hint}There are: {', '.join(options)}.",
    )


def _unchosen(text: str) -> ConfigError | None:
    match = re.match(r"You must specify '(\S+)', e\.g, \S+\nAvailable options:\s*(.*)", text, re.S)
    if match is None:
        return None
    options = [option.strip() for option in match[2].split() if option.strip()]
    if match[1] == "checkpoint":
        return ConfigError(
            "This release needs a checkpoint, and none was given.",
            hint="Give one: checkpoint=dora checkpoint.sig=//sig/1234abcd, or checkpoint=file "
            f"checkpoint.path=checkpoint.th (there are: {', '.join(options)}).",
        )
    return ConfigError(f"{match[1]} was not chosen.", hint=f"There are: {', '.join(options)}.")


def explain(error: BaseException) -> PipelineError:
    """Turn an error of Hydra or OmegaConf into ours; ours stay as they are."""
    if isinstance(error, PipelineError):
        return error
    text = str(error).strip()
    if isinstance(error, MissingConfigException):
        return _group(error, text)
    if ambiguous := re.match(r"Ambiguous value for argument '(.+)'$", text, re.MULTILINE):
        return ConfigError(
            "Several values are a sweep, and this is a single run.",
            ambiguous[1],
            "Sweep: python -m pipeline -m ...; a value that is a list stands in brackets: [a,b]",
        )
    if isinstance(error, OverrideParseException):
        if "=" not in error.override:
            return ConfigError(
                f"Cannot read '{error.override}'.",
                hint="Write KEY=VALUE; to choose a release: +release=NAME",
            )
        return ConfigError(
            f"Cannot read the override '{error.override}'.",
            text.splitlines()[0][:200],
            "Quote the whole of it, and quotes inside: 'outputs=\"/a path/with spaces\"'",
        )
    chosen = _unchosen(text)
    if chosen is not None:
        return chosen
    cause = error.__cause__
    key = _full_key(text) or _full_key(str(cause or ""))
    if isinstance(error, ConfigCompositionException):
        override = re.match(r"Could not override '([^']+)'", text)
        if override:
            return unknown_key(override[1])
        if cause is not None and isinstance(cause, OmegaConfBaseException):
            return explain(cause)
    if isinstance(error, ValidationError):
        return ConfigError(f"{key}: {text.splitlines()[0]}")
    if re.match(r"Key '[^']+' (not in|is not in struct)", text) and key:
        return unknown_key(key)
    lines = [line for line in text.splitlines() if line.strip()]
    return ConfigError(*(lines[:2] or [type(error).__name__]))


def _full_key(text: str) -> str:
    match = re.search(r"full_key: (\S+)", text)
    return match[1] if match else ""


def releases(config: Path) -> list[str]:
    """List the releases that the config folder knows."""
    return sorted(path.stem for path in (config / "release").glob("*.yaml"))

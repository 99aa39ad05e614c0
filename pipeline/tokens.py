"""Keeping Hub tokens out of configs: what a request holds is written into every run's folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pipeline.errors import ConfigError

_TOKEN = re.compile(r"hf_[A-Za-z0-9]{20,}|\bHF_TOKEN\b|\bHUGGING_FACE_HUB_TOKEN\b")
"""A token, or an interpolation that would fetch one: ``${oc.env:HF_TOKEN}``."""
_SET = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def refuse_typed(arguments: Sequence[str]) -> None:
    """Refuse a token on the command line, before anything reads it.

    Raises:
        ConfigError: with the key that holds it, not with the token.
    """
    for argument in arguments:
        key, given, _ = argument.partition("=")
        if _holds_token(argument):
            raise _refusal(key.lstrip("+~") if given and not _holds_token(key) else "An argument")


def refuse_composed(cfg: DictConfig) -> None:
    """Refuse a token in a composed config, whichever file it comes from.

    Raises:
        ConfigError: with the key that holds it, not with the token.
    """
    for key, text in _texts(OmegaConf.to_container(cfg, resolve=False), ""):
        if _holds_token(text):
            raise _refusal(key)


def _holds_token(text: str) -> bool:
    known = (os.environ.get(name, "").strip() for name in _SET)
    return _TOKEN.search(text) is not None or any(token and token in text for token in known)


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Give every text in nested containers with its dotted key."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name != "hydra" or key:  # the environment and the working folder are in there
                yield from _texts(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _texts(inner, f"{key}[{position}]")
    elif isinstance(value, str):
        yield key, value


def _refusal(key: str) -> ConfigError:
    return ConfigError(
        f"{key} holds a Hub token, which does not belong in a config: each run keeps its config.",
        hint="Take it out, and log in (hf auth login) or set HF_TOKEN. "
        "Where others may have seen it, revoke it.",
    )

"""Keeping Hub tokens out of configs: what a request holds is written into every run's folder."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pipeline.errors import ConfigError

_SET = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_TOKEN = re.compile(rf"hf_[A-Za-z0-9]{{20,}}|oc\.env:\s*['\"]?({'|'.join(_SET)})\b")
"""A token, or an interpolation that would fetch one: ``${oc.env:HF_TOKEN}``."""


def refuse_typed(arguments: Sequence[str]) -> None:
    """Refuse a token on the command line, before anything reads it.

    Raises:
        ConfigError: with the key that holds it, not with the token.
    """
    known = _known()
    for argument in arguments:
        key, given, _ = argument.partition("=")
        if _holds_token(argument, known):
            named = given and not _holds_token(key, known)
            raise _refusal(key.lstrip("+~") if named else "An argument")


def refuse_composed(cfg: DictConfig) -> None:
    """Refuse a token in a composed config, whichever file it comes from.

    Raises:
        ConfigError: with the key that holds it, not with the token.
    """
    refuse_in(OmegaConf.to_container(cfg, resolve=False))


def refuse_in(container: Any) -> None:
    """Refuse a token in nested containers, such as a config whose interpolations are resolved.

    Raises:
        ConfigError: with the key that holds it, not with the token.
    """
    known = _known()
    for key, text in _texts(container, ""):
        if _holds_token(text, known):
            raise _refusal(key)


def _holds_token(text: str, known: Collection[str]) -> bool:
    return _TOKEN.search(text) is not None or any(token in text for token in known)


def _known() -> frozenset[str]:
    """Give the tokens that this user has, of whatever form: set, or kept by ``hf auth login``."""
    found = {os.environ.get(name, "").strip() for name in _SET}
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface")
    kept = Path(os.environ.get("HF_TOKEN_PATH") or home / "token")
    with suppress(OSError, ValueError, RuntimeError):
        found.add(kept.expanduser().read_text("utf-8").strip())
    return frozenset(found - {""})


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

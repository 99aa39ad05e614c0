"""A request as a line to paste into a shell: quoted for Hydra's grammar, then for the shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

_PLAIN = re.compile(r"[/A-Za-z_][\w/.@+-]*(?::[\w/.@+-]+)*", re.ASCII)
_WORDS = {"null", "true", "false", "inf", "nan"}
"""What Hydra takes for a value of another type."""


def request_line(release: str, overrides: Mapping[str, str | int]) -> str:
    """Give ``python -m pipeline +release=NAME KEY=VALUE ...``."""
    typed = (override(key, value) for key, value in overrides.items())
    return " ".join(["python -m pipeline", shlex.quote(f"+release={release}"), *typed])


def override(key: str, value: str | int | Path) -> str:
    """Give ``KEY=VALUE`` to type into a shell; every hint that holds a path or a name does."""
    text = value if isinstance(value, int) else hydra_value(str(value))
    return shlex.quote(f"{key}={text}")


def hydra_value(text: str) -> str:
    """Write a text so that Hydra reads it as that text, whatever is in it.

    Inside quotes a backslash counts only before a quote, and ``${`` would be looked up.
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', text)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f'"{uninterpolated(escaped)}"'


def uninterpolated(text: str) -> str:
    """Write a text so that OmegaConf looks nothing up in it.

    A backslash before ``${`` escapes it, and one before that escapes the backslash.
    """
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", text)

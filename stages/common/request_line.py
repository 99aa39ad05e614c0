"""A request as a line to paste into a shell: quoted for Hydra's grammar, then for the shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

_PLAIN = re.compile(r"[/A-Za-z_][\w/.@+-]*(?::[\w/.@+-]+)*", re.ASCII)
_WORDS = {"null", "true", "false", "inf", "nan"}
"""What Hydra takes for a value of another type."""


def request_line(release: str, overrides: Mapping[str, str | int]) -> str:
    """Give ``python -m pipeline +release=NAME KEY=VALUE ...``."""
    typed = (
        f"{key}={hydra_value(value) if isinstance(value, str) else value}"
        for key, value in overrides.items()
    )
    return shlex.join(["python", "-m", "pipeline", f"+release={release}", *typed])


def hydra_value(text: str) -> str:
    """Write a text so that Hydra reads it as that text, whatever is in it.

    Inside quotes a backslash counts only before a quote, and ``${`` would be looked up.
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', text)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return '"' + re.sub(r"(\\*)\$\{", r"\1\1\\${", escaped) + '"'

"""Paths and signatures as a person types them: ``~`` is their home, ``~name`` somebody's."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import ConfigError

SIGNATURE = "//sig/"
"""What AudioCraft writes before a signature."""


def bare_signature(typed: str) -> str:
    """Give a signature that may be typed as AudioCraft writes it, or like a folder, by itself."""
    return typed.strip().removeprefix(SIGNATURE).removesuffix("/")


def expanded(typed: str | Path) -> Path:
    """Give a typed path with the home folder in it, as a shell does.

    Raises:
        ConfigError: when it begins with the home of a user whom this machine does not know.
    """
    path = Path(typed)
    try:
        return path.expanduser()
    except RuntimeError as error:  # which is all that pathlib has to say of it
        raise ConfigError(
            f"There is no home folder {path.parts[0]}: this machine knows no such user.",
            str(path),
            f"Write it in full, from the root: /...{str(path).removeprefix(path.parts[0])}",
        ) from error

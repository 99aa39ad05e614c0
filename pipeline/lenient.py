"""JSON that a page shows: what is absent or spoilt is empty, and never an error.

The files of a run may be cut off, of another version, or hold what a hostile checkpoint put there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def content(path: Path) -> Any:
    """Give what is in a JSON file; ``None`` where that cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def mapping(value: Any) -> Mapping[str, Any]:
    """Give an object, or the one in a file; an empty one for anything else."""
    value = content(value) if isinstance(value, Path) else value
    return value if isinstance(value, Mapping) else {}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """Give the objects in a list; none for anything else."""
    found = value if isinstance(value, list) else []
    return [entry for entry in found if isinstance(entry, Mapping)]


def number(value: Any) -> float | None:
    """Give a finite number; ``None`` for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:  # JSON has whole numbers of any length
        return None
    return found if math.isfinite(found) else None


def whole(value: Any) -> int | None:
    """Give a whole number that a counter could reach; ``None`` for anything else."""
    known = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
    return value if known else None


def text(value: Any) -> str:
    """Give a text that can be written as UTF-8; empty for anything else."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""

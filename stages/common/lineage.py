"""What a run says of other models: the one that it went on from, and the codec it speaks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stages.common.codecs import REFERENCE_PREFIX

_BASE = re.compile(r"(?:facebook/|//pretrained/(?=[\w.-]+(?:/[\w.-]+)?$))[\w.-]+(?:/[\w.-]+)?")
_PUBLIC = re.compile(r"//(pretrained|sig|reference)/[^/~]")


def base_model(continue_from: Any) -> str | None:
    """Give the public name of the model that a run went on from; ``None`` for runs and paths."""
    if not isinstance(continue_from, str) or not _BASE.fullmatch(continue_from):
        return None
    return continue_from.removeprefix(REFERENCE_PREFIX)


def is_public(codec: str) -> bool:
    """Tell whether a codec's name is AudioCraft's prefix and a name, and not a path behind it."""
    return bool(_PUBLIC.match(codec))


def never_averaged(root: Mapping[str, Any]) -> bool:
    """Tell whether a checkpoint has averaged weights that no update ever reached.

    AudioCraft judges and keeps the average as best, however little it has moved.
    """
    averaged = root.get("ema")
    return isinstance(averaged, Mapping) and averaged.get("count") == 0

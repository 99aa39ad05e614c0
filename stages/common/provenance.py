"""Facts about the source as the world may read them, with nothing of this machine in them.

Stages keep paths out of their facts. What a person typed (a training override, a URL) or a run
carries in its config (where its codec was) can still hold one, or a name, or a key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stages.common.privacy import is_private

_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")
# Signed addresses carry their keys behind the question mark.
_QUERY = re.compile(r"^(https?://[^\s?#]+)[?#].*", re.DOTALL)


def published(value: Any) -> Any:
    """Give a JSON value without local paths, e-mail addresses, credentials and URL queries.

    Of an override (``key=value``) with a private value, the key stays.
    """
    if isinstance(value, str):
        return _text(_QUERY.sub(r"\1", _LOGIN.sub("", value)))
    if isinstance(value, Mapping):
        return {name: published(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [published(held) for held in value]
    return value


def _text(text: str) -> str:
    name, equals, value = text.partition("=")
    if equals and (is_private(text) or is_private(value)):
        return "" if is_private(name) else name + equals
    return "" if is_private(text) else text

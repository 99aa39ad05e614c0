"""An inspection as one JSON document, with the same keys whatever was inspected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError
from stages.common.history import valid_json

if TYPE_CHECKING:
    from stages.common.inspection import Inspection

FORMAT = 1
"""Raised when a reader of the format before would misread it."""


def document(found: Inspection) -> dict[str, Any]:
    """Give an inspection's values; a problem keeps a release from being made, a hint does not."""
    return {"format": FORMAT, **remarked(plain(found))}


def remarked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give values with their ``remarks`` parted into ``problems`` and ``hints``."""
    parted = {key: value for key, value in values.items() if key != "remarks"}
    for severity in ("problem", "hint"):
        parted[f"{severity}s"] = [
            {key: remark[key] for key in ("what", "where", "remedy")}
            for remark in values["remarks"]
            if remark["severity"] == severity
        ]
    return parted


def refusal(what: str, error: PipelineError) -> dict[str, Any]:
    """Give the document of what could not be inspected: the error, in the words of a problem."""
    told = {"what": error.what, "where": error.where, "remedy": error.hint}
    return {"format": FORMAT, "what": what, "error": told}


def plain(value: Any) -> Any:
    """Give a value as JSON can hold it: dataclasses as dicts, paths and NaN as text."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [plain(held) for held in value]
    return str(value) if isinstance(value, Path) else valid_json(value)

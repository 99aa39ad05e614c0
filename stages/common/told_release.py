"""What a release tells of how it was made: its release.json, believed value by value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pipeline.errors import FormatError, SourceError
from pipeline.layout import RELEASE_JSON
from stages.common.claims import MAX_TEXT, manifest_in
from stages.common.copies import Copy


@dataclass(frozen=True)
class ToldRelease:
    """The content of a release.json."""

    manifest: Mapping[str, Any]

    @classmethod
    def of(cls, copy: Copy) -> Self:
        """Read what a release says of itself.

        Raises:
            SourceError: when it says nothing.
            FormatError: when that cannot be read.
        """
        held = copy.held(RELEASE_JSON, whole=True)
        if held is None or held.path is None:
            raise SourceError(
                f"There is no {RELEASE_JSON}, which says how it was made.", copy.place
            )
        if held.size > MAX_TEXT:
            raise FormatError(f"{RELEASE_JSON} is too long to be one.", copy.place)
        return cls(manifest_in(held.path.read_bytes()))

    @property
    def source(self) -> Mapping[str, Any]:
        """Where its weights come from."""
        return mapping(self.manifest.get("source"))

    @property
    def settings(self) -> Mapping[str, Any]:
        """How it was exported, by stage."""
        return mapping(self.manifest.get("settings"))

    @property
    def codec(self) -> Mapping[str, Any]:
        """Which codec it has."""
        return mapping(self.settings.get("export_compression"))

    def text(self, key: str) -> str:
        """Give a text that every release has.

        Raises:
            FormatError: when this one has not.
        """
        value = self.manifest.get(key)
        if not isinstance(value, str) or not value:
            raise FormatError(f"{RELEASE_JSON} does not say its {key}.")
        return value


def mapping(value: Any) -> Mapping[str, Any]:
    """Give a value back where it has keys, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def text(value: Any) -> str | None:
    """Give a value back where it is a text."""
    return value if isinstance(value, str) else None

"""The YAML block on top of a model card: reading it, and completing somebody's own.

The Hub takes for front matter what stands between a first line ``---`` and the next one.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from pipeline.errors import FormatError

_BLOCK = re.compile(
    rb"\s*---[ \t]*(\r\n|\n|\r)(.*?)(?:(?<=\n)|(?<=\r))---[ \t]*(?:\r\n|\n|\r|\Z)", re.DOTALL
)
_OPENING = re.compile(rb"\s*---[ \t]*[\r\n]")


def dump(metadata: Mapping[str, Any]) -> str:
    """Write metadata as YAML lines, in the order given, the same on every machine."""
    if not metadata:
        return ""
    text = _yaml(metadata, allow_unicode=True)
    # PyYAML writes the line breaks of other scripts so that it cannot read them back.
    return text if _loads(text.encode()) == metadata else _yaml(metadata, allow_unicode=False)


def _yaml(metadata: Mapping[str, Any], allow_unicode: bool) -> str:
    return yaml.safe_dump(
        dict(metadata),
        sort_keys=False,
        allow_unicode=allow_unicode,
        default_flow_style=False,
        width=1000,
    )


@dataclass(frozen=True)
class Card:
    """A model card in parts.

    Attributes:
        metadata: what the front matter says.
        block: the front matter as it is written, without its ``---`` lines.
        body: everything below, byte for byte.
        newline: how the card ends its lines.
    """

    metadata: Mapping[str, Any]
    block: bytes
    body: bytes
    newline: str = "\n"

    @classmethod
    def parse(cls, content: bytes) -> Card:
        """Take a card apart; one without front matter is all body.

        Raises:
            FormatError: when the card is not UTF-8, or its front matter is not closed or is not
                a YAML mapping.
        """
        content = content.removeprefix(codecs.BOM_UTF8)
        try:
            content.decode()
        except UnicodeDecodeError as error:
            raise FormatError("The card is not UTF-8 text.", f"Byte {error.start}.") from error
        match = _BLOCK.match(content)
        if match is None:
            if _OPENING.match(content):
                raise FormatError(
                    "The card's front matter is not closed.",
                    hint="End it with a line of three dashes: ---",
                )
            return cls({}, b"", content, "\r\n" if b"\r\n" in content else "\n")
        return cls(_mapping(match[2]), match[2], content[match.end() :], match[1].decode())

    def completed(self, defaults: Mapping[str, Any], tags: tuple[str, ...] = ()) -> bytes:
        """Give the card with the metadata that it lacks; what it says stays as it is.

        Args:
            defaults: metadata to add where the card has no such key.
            tags: tags to add to those that the card has.
        """
        metadata = {**self.metadata}
        if isinstance(metadata.get("tags"), str):
            metadata["tags"] = [metadata["tags"]]
        if isinstance(metadata.get("tags"), list):
            metadata["tags"] = list(dict.fromkeys([*metadata["tags"], *tags]))
        missing = {key: value for key, value in defaults.items() if key not in metadata}
        metadata.update(missing)
        # Appending keeps a person's comments and quotes, but does not suit every YAML.
        block = self.block + dump(missing).replace("\n", self.newline).encode()
        if _loads(block) != metadata:
            block = dump(metadata).replace("\n", self.newline).encode()
        fence = f"---{self.newline}".encode()
        return fence + block + fence + self.body

    def rewritten(self, metadata: Mapping[str, Any], body: bytes) -> bytes:
        """Give the card with other metadata and another body; what is the same stays byte for byte.

        Args:
            metadata: all of it.
            body: everything below the front matter.
        """
        block = self.block
        if metadata != self.metadata:
            block = dump(metadata).replace("\n", self.newline).encode()
        if not block:
            return body
        fence = f"---{self.newline}".encode()
        return fence + block + fence + body


def _loads(block: bytes) -> Any:
    """Read YAML, or give ``None`` when it is none."""
    try:
        return yaml.safe_load(block.decode())
    except yaml.YAMLError:
        return None


def _mapping(block: bytes) -> dict[str, Any]:
    try:
        metadata = yaml.safe_load(block.decode())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"Line {mark.line + 2}: {getattr(error, 'problem', '')}" if mark else str(error)
        raise FormatError("The card's front matter is not valid YAML.", where) from error
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise FormatError(
            "The card's front matter is not a mapping.", hint="Write one `key: value` a line."
        )
    return metadata

"""What a person wishes of the card: one of their own, a license, a parent; checked beforehand."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.paths import expanded
from pipeline.schema import CardConfig
from pipeline.stage import Facts, Problem
from stages.common import licenses
from stages.common.card import HUB_ID, parents
from stages.common.front_matter import Card
from stages.common.request_line import override

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]+)*|code|multilingual")


@dataclass(frozen=True)
class Wishes:
    """The card's config, with the person's own card read.

    Attributes:
        config: what was asked for.
        own: the card at ``config.path``, where there is one.
    """

    config: CardConfig
    own: Card | None

    @classmethod
    def read(cls, config: CardConfig) -> Wishes:
        """Read the person's own card.

        Raises:
            ConfigError: when it is not there.
            FormatError: when its front matter is spoilt.
        """
        if config.path is None:
            return cls(config, None)
        path = path_of(config)
        if not path.is_file():
            beside = [entry.name for entry in path.parent.glob("*.md")]
            near = difflib.get_close_matches(path.name, beside, n=1)
            raise ConfigError(
                "The card is not there: card.path names no file.",
                str(path),
                f"Did you mean {override('card.path', path.parent / near[0])}?"
                if near
                else "card.path=null has one written for you.",
            )
        return cls(config, Card.parse(path.read_bytes()))

    def licenses(self, source: Facts, codec: Facts) -> list[str]:
        """Give the license ids that the card will carry: one, or several of a person's own."""
        inherited = licenses.default_license(parents(self.config, source, codec))
        own = self.own.metadata.get("license") if self.own else None
        chosen = own or self.config.license or inherited
        return [str(one) for one in (chosen if isinstance(chosen, list) else [chosen]) if one]

    def problems(self, source: Facts, codec: Facts) -> list[Problem]:
        """Find what the Hub, or the license of a parent, would not allow.

        Args:
            source: the facts of collect, as far as they are known.
            codec: the facts of export_compression, as far as they are known.
        """
        found = [self._base_model(), *map(_language, self.config.language)]
        origin = parents(self.config, source, codec)
        for license_id in self.licenses(source, codec):
            found.append(licenses.misspelt(license_id) or licenses.laxer(license_id, origin))
        return [problem for problem in found if problem is not None]

    def _base_model(self) -> Problem | None:
        base = self.config.base_model
        if base is None or HUB_ID.fullmatch(base):
            return None
        return Problem(
            f"card.base_model is no Hub id: {base!r}.",
            hint="Give it as org/name: card.base_model=facebook/musicgen-small",
        )


def path_of(config: CardConfig) -> Path:
    """Give where the person's own card is."""
    return expanded(config.path or "")


def _language(code: str) -> Problem | None:
    if _LANGUAGE.fullmatch(code):
        return None
    return Problem(
        f"card.language has no language code: {code!r}.",
        hint="Two or three letters each: 'card.language=[en]'",
    )

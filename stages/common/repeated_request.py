"""The request that a release was made by, as far as the release tells: to make it again.

``release.json`` holds the source and the settings as they were resolved, so the same bytes follow
from a request that is plainer than the one that was typed. What it leaves out either follows from
it, or changes no byte of the core (the card), or is local (`stages.common.known_places`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import FormatError
from pipeline.layout import ALL_IN_ONE, COMPRESSION, STATE_DICT
from stages.common import afar, hub
from stages.common.archive import Archive
from stages.common.copies import Copy
from stages.common.known_places import KnownPlaces
from stages.common.repeated_codec import repeated_codec
from stages.common.repeated_source import TRAINED, repeated_source
from stages.common.request_line import uninterpolated
from stages.common.told_release import ToldRelease, mapping


@dataclass(frozen=True)
class RepeatedRequest:
    """A request.

    Attributes:
        checkpoint: the option of that config group.
        compression: the option of that one.
        values: everything else, by key; what a release file holds.
        source: where the weights are taken from, for people.
        trained: the Dora folder in which the experiment is that the pipeline trained itself.
    """

    checkpoint: str
    compression: str
    values: Mapping[str, Any]
    source: str
    trained: Path | None = None

    def text_with(self, **more: str) -> str:
        """Give the release file, a YAML, with more top-level keys."""
        values = _literal({**self.values, **more})
        body = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        return f"# @package _global_\n{body}"


def repeated_request(told: ToldRelease, copy: Copy, places: KnownPlaces) -> RepeatedRequest:
    """Give the request that makes a release again.

    Args:
        told: what it tells.
        copy: the release itself.
        places: what is known of places here.

    Raises:
        SourceError: when the source or the codec cannot be found; says which option names it.
        FormatError: when release.json does not say what every release says.
    """
    source = repeated_source(told, places)
    compression, codec = repeated_codec(told, places, source.kind in TRAINED)
    transformers = mapping(told.settings.get("export_transformers"))
    asked = {"epoch": told.source.get("epoch_asked"), "state": told.source.get("state", "auto")}
    values = {
        "name": told.text("name"),
        "version": told.text("version"),
        "formats": ["audiocraft", *(["transformers"] if transformers else [])],
        "checkpoint": {**source.values, **asked},
        "compression": dict(codec),
        "export": {**_export(told, copy), **_from_elsewhere(told, places, transformers)},
    }
    return RepeatedRequest(source.kind, compression, values, source.told, source.trained)


def _export(told: ToldRelease, copy: Copy) -> dict[str, Any]:
    """Give how the files were written.

    Whether private values were to be removed shows in whether any were; NaN and Inf that were let
    in are listed.
    """
    lm, written = mapping(told.settings.get("export_lm")), [*map(mapping, told.settings.values())]
    return {
        "dtype": lm.get("dtype", "keep"),
        "layout": lm.get("layout", "two_file"),
        "config_overrides": dict(mapping(lm.get("config_overrides"))),
        "sanitize": any(each.get("removed") or each.get("blanked") for each in written),
        "allow_nonfinite": any(each.get("nonfinite") for each in written),
        **_version(copy),
    }


def _version(copy: Copy) -> dict[str, Any]:
    """Give the AudioCraft version that the models' files say they are for."""
    for name in (STATE_DICT, ALL_IN_ONE, COMPRESSION):
        held, root = copy.held(name), None
        try:
            if held is not None and held.path is not None:
                with Archive.open(held.path) as archive:
                    root = archive.root
            elif held is not None and held.ranged is not None:
                root = afar.root_of(held.ranged, held.size, name)
        except FormatError:  # which the comparison tells
            continue
        if isinstance(version := mapping(root).get("version"), str):
            return {"audiocraft_version": version}
    return {}


def _from_elsewhere(
    told: ToldRelease, places: KnownPlaces, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Give the models that only transformers' format contains."""
    if not facts:
        return {}
    asked = places.asked("export")
    named = facts.get("codec")
    other = named if named != told.codec.get("pretrained") and hub.is_repo_id(str(named)) else None
    return {"codec": asked.get("codec") or other, "text_encoder": asked.get("text_encoder")}


def _literal(value: Any) -> Any:
    """Keep OmegaConf from looking anything up that a text mentions."""
    if isinstance(value, Mapping):
        return {key: _literal(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_literal(held) for held in value]
    return uninterpolated(value) if isinstance(value, str) else value

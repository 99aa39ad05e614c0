"""Which codec a release that is made again gets, and where it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import FormatError, SourceError
from pipeline.layout import COMPRESSION
from stages.common import sources
from stages.common.checkpoint import Checkpoint
from stages.common.experiments import PREFIX
from stages.common.known_places import KnownPlaces, signature_in
from stages.common.told_release import ToldRelease, text

Option = tuple[str, Mapping[str, Any]]
"""An option of the config group, and its keys."""


def repeated_codec(told: ToldRelease, places: KnownPlaces, trained: bool) -> Option:
    """Choose the codec that a release records, or the one that it is now by a person's word.

    Args:
        told: what the release tells.
        places: what is known of places here.
        trained: whether the pipeline trains the language model, and so its codec, itself.

    Raises:
        SourceError: when it cannot be found; says which option names it.
    """
    facts, signature = told.codec, text(told.codec.get("signature"))
    if told.source.get("family") == "compression" or not facts:
        return "auto", {}
    if places.codec is not None:
        return _moved(places.codec, facts, places)
    if facts.get("form") == "reference":
        return "reference", {"pretrained": facts.get("pretrained")}
    if facts.get("pretrained"):
        return "bundle", {"source": facts.get("pretrained")}
    if trained and told.source.get("codec") == f"{PREFIX}{signature}":
        return "auto", _which(facts)
    if (path := places.own_codec(signature)) is not None:
        return _file(path, facts)
    if signature is None:
        raise SourceError(
            "The codec that the release was made of is not here.",
            "It was a file, and a release says nothing of places.",
            "Say where it is now: --codec FILE",
        )
    return _experiment(signature, facts, places)


def _moved(what: str, facts: Mapping[str, Any], places: KnownPlaces) -> Option:
    signature = signature_in(what)
    if signature is not None:
        return _experiment(signature, facts, places)
    place = sources.find(what, file_name=COMPRESSION)
    if place.kind == "file" and place.path is not None:
        return _file(place.path.absolute(), facts)
    return "bundle", {"source": what}


def _file(path: Path, facts: Mapping[str, Any]) -> Option:
    try:
        with Checkpoint.open(path) as checkpoint:
            exported = checkpoint.form == "exported"
    except FormatError:  # which the pipeline tells, in better words
        exported = False
    if exported:
        return "bundle", {"source": str(path)}
    return "trained", {"path": str(path), "state": facts.get("state", "auto")}


def _experiment(signature: str, facts: Mapping[str, Any], places: KnownPlaces) -> Option:
    experiment = places.experiment(signature, "--codec")
    values = {"sig": f"{PREFIX}{signature}", "dora_dir": str(experiment.dora_dir.absolute())}
    return "trained", {**values, **_which(facts)}


def _which(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Say which weights of a codec's run; the best ones are in its last file."""
    state = facts.get("state", "auto")
    return {"state": state, "epoch": None if state == "best" else facts.get("epoch")}

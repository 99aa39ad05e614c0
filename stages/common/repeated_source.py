"""Where a release that is made again takes its weights from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import FormatError, SourceError
from pipeline.layout import RELEASE_JSON, STATE_DICT
from stages.common import downloads, hub, sources
from stages.common.experiments import PREFIX
from stages.common.known_places import KnownPlaces, experiment_at, signature_in
from stages.common.told_release import ToldRelease, text

TRAINED = ("miniature", "train")
"""Kinds of source that the pipeline trains itself."""


@dataclass(frozen=True)
class RepeatedSource:
    """Where the checkpoint is taken from.

    Attributes:
        kind: the option of the config group.
        values: its keys.
        told: the same for people.
        trained: the Dora folder in which the experiment is that the pipeline trained itself.
    """

    kind: str
    values: Mapping[str, Any]
    told: str
    trained: Path | None = None


def repeated_source(told: ToldRelease, places: KnownPlaces) -> RepeatedSource:
    """Choose the source that a release records, or the one that it is now by a person's word.

    Args:
        told: what the release tells.
        places: what is known of places here.

    Raises:
        SourceError: when it cannot be found; says which option names it.
        FormatError: when it is of a kind that is not known.
    """
    kind, source = str(told.source.get("kind")), told.source
    if places.source is not None:
        return _moved(kind, told, places.source, places)
    if kind == "dora":
        experiment = places.experiment(str(source.get("signature")), "--source")
        return _of_experiment(str(source.get("signature")), experiment.dora_dir)
    if kind == "file":
        path = places.collected(text(source.get("archive")), text(source.get("signature")))
        return _of_file(path, told)
    if kind == "url":
        url = str(places.asked("checkpoint").get("url") or source.get("url"))
        return RepeatedSource("url", {"url": url}, str(source.get("url")))
    if kind == "hub":
        return _of_repository(str(source.get("repo_id")), str(source.get("revision")))
    if kind in TRAINED:
        return _of_training(kind, told, places)
    raise FormatError(f"{RELEASE_JSON} records a source of the kind {kind!r}, which is not known.")


def _moved(kind: str, told: ToldRelease, what: str, places: KnownPlaces) -> RepeatedSource:
    """Take the source from another place; as the same kind of source wherever it can be one."""
    signature = signature_in(what)
    if signature is not None:
        experiment = places.experiment(signature, "--source")
        if kind == "file":
            return _of_file(experiment.checkpoint(told.source.get("epoch_asked")), told)
        return _of_experiment(signature, experiment.dora_dir)
    at = experiment_at(what)
    if kind == "dora" and at is not None and at.sig == told.source.get("signature"):
        return _of_experiment(at.sig, at.dora_dir)
    repo_id, _, revision = what.partition("@")
    place = sources.find(repo_id if hub.is_repo_id(repo_id) else what, file_name=STATE_DICT)
    if place.kind == "hub":
        return _of_repository(repo_id, revision or str(told.source.get("revision") or "main"))
    if place.kind == "url":
        return RepeatedSource("url", {"url": what}, downloads.shown(what))
    return _of_file(Path(str(place.path)).absolute(), told)


def _of_experiment(signature: str, dora_dir: Path) -> RepeatedSource:
    values = {"sig": f"{PREFIX}{signature}", "dora_dir": str(dora_dir.absolute())}
    return RepeatedSource("dora", values, f"{PREFIX}{signature} in {dora_dir}")


def _of_file(path: Path, told: ToldRelease) -> RepeatedSource:
    # Of a file the digest is recorded where it was asked for, and only there.
    asked = told.source.get("sha256") if told.source.get("kind") == "file" else None
    return RepeatedSource("file", {"path": str(path), "sha256": asked}, str(path))


def _of_repository(repo_id: str, revision: str) -> RepeatedSource:
    values = {"repo_id": repo_id, "revision": revision}
    return RepeatedSource("hub", values, f"{repo_id}@{revision}")


def _of_training(kind: str, told: ToldRelease, places: KnownPlaces) -> RepeatedSource:
    """Take the experiment that the pipeline trained; the miniature is trained again if need be.

    Nothing else is: a release from somewhere shall not choose what is run here. For the same reason
    the overrides are those that the experiment itself keeps, whatever the release says.
    """
    signature = str(told.source.get("signature"))
    experiment = places.trained(signature)
    where = f"in {experiment.dora_dir}" if experiment else "which is not here: trained again"
    shown, folder = f"{PREFIX}{signature}, {where}", experiment.dora_dir if experiment else None
    if kind == "miniature":
        return RepeatedSource(kind, {}, shown, folder)
    if experiment is None:
        raise SourceError(
            f"The release was made of {PREFIX}{signature}, trained for it, which is not here.",
            hint="Give the folder that holds xps, <outputs>/dora: --dora-dir FOLDER",
        )
    values = {
        "package": told.source.get("package"),
        "overrides": list(experiment.overrides),
        "python": places.asked("checkpoint").get("python"),
    }
    return RepeatedSource(kind, values, shown, folder)

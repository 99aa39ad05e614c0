"""Why a release that was made again came out otherwise: what its own words give away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.layout import RELEASE_JSON
from pipeline.sheet import Remark
from stages.common.checks import phrased
from stages.common.comparison import IDENTICAL, ComparedFile
from stages.common.contained import CONFIG
from stages.common.value_changes import ValueChanges

_WHERE = ("kind", "url", "repo_id", "revision", "package", "overrides")
"""What release.json says of where the source is."""


def causes_of(files: Sequence[ComparedFile], listed: Mapping[str, str]) -> Iterator[Remark]:
    """Give the likely causes, the likeliest first.

    Args:
        files: the core, compared: A is the release, B what was made again.
        listed: the sha256 of each file, by the release's own SHA256SUMS.
    """
    different = [file for file in files if file.verdict != IDENTICAL]
    told = next((file.values for file in different if file.name == RELEASE_JSON), ValueChanges())
    found = [
        *_tampered(different, listed),
        *_versions(told),
        *_source(told),
        *_config(different, told),
        *_settings(told),
    ]
    yield from found
    if different and not found:
        yield Remark(
            "hint",
            "Nothing in release.json tells why: source, settings and version are the same.",
            remedy="is a model from elsewhere in it, such as a T5, then look at that one: "
            "export.text_encoder=FOLDER",
        )


def _tampered(files: Sequence[ComparedFile], listed: Mapping[str, str]) -> Iterator[Remark]:
    for file in files:
        digest = file.digests[0]
        if digest and listed.get(file.name) not in (None, digest):
            what = f"The release's own {file.name} is not the file that its SHA256SUMS lists."
            yield Remark("problem", what, remedy="python -m pipeline.verify tells what was changed")


def _versions(told: ValueChanges) -> Iterator[Remark]:
    if (versions := _pair(told, "pipeline")) is not None:
        what = f"Another pipeline version: {versions[0]} made it, this is {versions[1]}."
        remedy = f"install {versions[0]} and run the same command again"
        yield Remark("hint", what, remedy=remedy)
    if (formats := _pair(told, "format")) is not None:
        what = f"Another format of release.json: it was {formats[0]}, is now {formats[1]}."
        yield Remark("hint", what)


def _source(told: ValueChanges) -> Iterator[Remark]:
    """Tell a source that changed from one that was only saved again, or found elsewhere."""
    digests, archives = _pair(told, "source.state_digest"), _pair(told, "source.archive")
    if digests is not None:
        what = "The source changed: the weights that were chosen are not those of the release."
        remedy = "--source names another place, where the checkpoint is as it was"
        yield Remark("hint", what, f"state_digest was {digests[0]}, is {digests[1]}", remedy)
    elif archives is not None:
        what = "The source was written again: the same weights, in a file that is not the same."
        yield Remark("hint", what, f"archive was {archives[0]}, is {archives[1]}")
    codec = _pair(told, "settings.export_compression.state_digest")
    if codec is not None:
        what = "The codec changed: its weights are not those of the release."
        where = f"state_digest was {codec[0]}, is {codec[1]}"
        yield Remark("hint", what, where, "--codec names another place")
    keys = [key for key in told.keys if key.removeprefix("source.") in _WHERE]
    moved = [key for key in keys if key.startswith("source.")]
    if moved:
        what = f"The source is of another kind, or elsewhere: {_phrases(told, moved)}."
        yield Remark(
            "hint", what, remedy="with the recorded kind of source, this would be the same"
        )


def _config(files: Sequence[ComparedFile], told: ValueChanges) -> Iterator[Remark]:
    """Tell of values of the training config that changed, where no setting tells of it."""
    for file in files:
        keys = [key for key in file.values.keys if CONFIG in key]
        if keys and not any("config_overrides" in key for key in told.keys):
            what = f"The config drifted, of {file.name}: {_phrases(file.values, keys)}."
            yield Remark("hint", what)


def _settings(told: ValueChanges) -> Iterator[Remark]:
    keys = [
        key for key in told.keys if key.startswith("settings.") and not key.endswith("state_digest")
    ]
    if keys:
        yield Remark("hint", f"The settings drifted: {_phrases(told, keys)}.")


def _pair(told: ValueChanges, key: str) -> tuple[Any, Any] | None:
    if key in told.changed:
        return told.changed[key]
    return (told.gone.get(key), told.new.get(key)) if key in told.keys else None


def _phrases(told: ValueChanges, keys: Sequence[str]) -> str:
    pairs = [(key, _pair(told, key) or (None, None)) for key in keys]
    return phrased([f"{key} was {was}, is {now}" for key, (was, now) in pairs])

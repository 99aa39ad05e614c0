"""A release on disk: what it says of itself, and whether its files are those that it lists."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import FormatError
from pipeline.layout import RELEASE_JSON, STAGE_JSON, ReleaseFolder
from pipeline.manifest import parse_sums
from pipeline.sheet import Remark
from stages.common.claims import ANEW, OUTSIDE, manifest_in, one_sided
from stages.common.unfit import Accepted

_UNLISTED = OUTSIDE | {RELEASE_JSON}
"""What release.json does not list."""


@dataclass(frozen=True)
class ListedFile:
    """A file of a release.

    Attributes:
        name: its path in the folder.
        size: in bytes; ``None`` when it is not there.
        listed: the size that release.json gives it; ``None`` when it is not listed.
        verdict: ``as listed``, ``missing``, ``not downloaded``, ``another size``, ``not listed``;
            empty for what no release lists.
    """

    name: str
    size: int | None
    listed: int | None
    verdict: str


@dataclass(frozen=True)
class Release:
    """A folder with a release in it.

    Attributes:
        folder: where it is, absolute.
        name: of the release.
        version: of the release.
        pipeline: the version of the pipeline that made it.
        source: where its weights come from, as release.json says.
        settings: how they were exported, as release.json says.
        files: what is in the folder, or should be.
    """

    folder: Path
    name: str | None
    version: str | None
    pipeline: str | None
    source: Mapping[str, Any]
    settings: Mapping[str, Any]
    files: tuple[ListedFile, ...]


def is_release(folder: Path) -> bool:
    """Tell whether a folder holds a release, or a model that AudioCraft loads as one."""
    release = ReleaseFolder(folder)
    places = (release.manifest, release.state_dict, release.compression, release.all_in_one)
    return any(path.is_file() for path in places)


def weights_in(folder: Path) -> tuple[Path, ...]:
    """Give the files of a release that hold models, the language model first."""
    release = ReleaseFolder(folder)
    places = (release.state_dict, release.all_in_one, release.compression)
    return tuple(path for path in places if path.is_file())


def read_release(folder: Path, whole: bool = True) -> tuple[Release, list[Remark]]:
    """Read what a release says of itself, and compare names and sizes; nothing is hashed.

    Args:
        folder: where it is.
        whole: whether all of it should be there; of a repository only some files are downloaded.
    """
    place = ReleaseFolder(folder.absolute())
    manifest, remarks = _manifest(place)
    listed = _sizes(manifest)
    files = tuple(_files(place.root, listed, "missing" if whole else "not downloaded"))
    remarks += _faults(files)
    remarks += _accepted(_settings(place, manifest))
    if manifest and whole:
        remarks += _sums(place, listed)
    elif not manifest and not remarks:
        remarks.append(_UNSAID)
    release = Release(
        folder=place.root,
        name=_text(manifest.get("name")),
        version=_text(manifest.get("version")),
        pipeline=_text(manifest.get("pipeline")),
        source=_mapping(manifest.get("source")),
        settings=_mapping(manifest.get("settings")),
        files=files,
    )
    return release, remarks


def accepted_beside(path: Path) -> Iterator[Remark]:
    """Say of one exported file what the record beside it says that its export let in."""
    place = ReleaseFolder(path.parent)
    if path in (place.state_dict, place.compression, place.all_in_one):
        settings = _settings(place, _manifest(place)[0])
        own = {place.state_dict: "export_lm", place.compression: "export_compression"}.get(path)
        yield from _accepted({n: facts for n, facts in settings.items() if own in (n, None)})


def _settings(place: ReleaseFolder, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give how the files were exported, by stage; of a stage's own folder its record says it."""
    if manifest:
        return _mapping(manifest.get("settings"))
    try:
        record = json.loads((place.root / STAGE_JSON).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(_mapping(record).get("stage")): _mapping(record).get("facts")}


def _accepted(settings: Mapping[str, Any]) -> Iterator[Remark]:
    for stage, name in (("export_lm", "The language model"), ("export_compression", "The codec")):
        found = Accepted.of(_mapping(settings.get(stage)))
        if found.names:
            yield Remark("hint", f"{name}: {found.what}", remedy=found.remedy)


def _manifest(place: ReleaseFolder) -> tuple[Mapping[str, Any], list[Remark]]:
    if not place.manifest.is_file():
        return {}, []
    try:
        return manifest_in(place.manifest.read_bytes()), []
    except (OSError, FormatError) as error:
        what = error.what if isinstance(error, FormatError) else f"release.json: {error.strerror}."
        return {}, [Remark("problem", what, remedy=ANEW)]


_UNSAID = Remark("hint", "There is no release.json: nothing says where these weights come from.")


def _sizes(manifest: Mapping[str, Any]) -> dict[str, int | None]:
    sizes = {}
    for name, entry in _mapping(manifest.get("files")).items():
        size = entry.get("size") if isinstance(entry, Mapping) else None
        sizes[str(name)] = size if type(size) is int else None
    return sizes


def _files(folder: Path, listed: Mapping[str, int | None], absent: str) -> Iterator[ListedFile]:
    there = {path.name: path for path in folder.iterdir() if path.is_file()}
    for name in sorted({*there, *listed}):
        size = there[name].stat().st_size if name in there else None
        expected = listed.get(name)
        verdict = "as listed" if expected is None or size == expected else "another size"
        if size is None:
            verdict = absent
        elif name not in listed:
            verdict = "not listed" if listed and name not in _UNLISTED else ""
        yield ListedFile(name, size, expected, verdict)


def _faults(files: tuple[ListedFile, ...]) -> Iterator[Remark]:
    for file in files:
        if file.verdict == "missing":
            yield Remark("problem", f"{file.name} is missing, release.json lists it.", remedy=ANEW)
        elif file.verdict == "another size":
            what = f"{file.name} has {file.size} bytes, release.json says {file.listed}."
            yield Remark("problem", what, remedy=ANEW)
        elif file.verdict == "not listed":
            yield Remark("hint", f"{file.name} is not a file of this release: nothing lists it.")


def _sums(place: ReleaseFolder, listed: Collection[str]) -> Iterator[Remark]:
    """Compare the names in SHA256SUMS with those in release.json."""
    if not place.sums.is_file():
        yield Remark("problem", "SHA256SUMS is missing.", remedy=ANEW)
        return
    try:
        summed = parse_sums(place.sums.read_text(encoding="utf-8"))
    except (FormatError, UnicodeDecodeError) as error:
        yield Remark("problem", f"SHA256SUMS cannot be read: {error}", remedy=ANEW)
        return
    yield from (Remark("problem", what, remedy=ANEW) for what in one_sided(listed, summed))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None

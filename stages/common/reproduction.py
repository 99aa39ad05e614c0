"""Is a release what its source and its settings make? It is made again, and compared.

What SHA256SUMS lists has to be the same, byte for byte: the reproducible core.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import FormatError, SourceError
from pipeline.layout import SHA256SUMS, ReleaseFolder
from pipeline.manifest import parse_sums
from pipeline.sheet import Remark
from pipeline.stage import Progress
from stages.common.causes import causes_of
from stages.common.comparison import IDENTICAL, ComparedFile, compared
from stages.common.copies import Copy, FolderCopy
from stages.common.known_places import KnownPlaces, run_around
from stages.common.remaking import Made, make, workplace
from stages.common.repeated_request import RepeatedRequest, repeated_request
from stages.common.told_release import ToldRelease
from stages.common.whereabouts import Whereabouts, release_at


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Attributes:
        where: the release.
        dora_dir: the folder that holds ``xps``; then no other counts.
        source: where its checkpoint is now.
        codec: where its codec is now.
        overrides: further ones for the pipeline, as they are typed.
        keep: an empty folder to make it in and to leave it in; ``None`` for one that is removed.
        usual: the folder that the environment names, where nothing is known of another.
    """

    where: Whereabouts
    dora_dir: Path | None = None
    source: str | None = None
    codec: str | None = None
    overrides: tuple[str, ...] = ()
    keep: Path | None = None
    usual: Path | None = None


@dataclass(frozen=True)
class Reproduction:
    """What came of it.

    Attributes:
        place: where the release is.
        name: its name and version.
        source: what it was made again of.
        files: those of the core, compared: A is the release, B what was made.
        causes: what most likely makes the difference.
        refusal: the lines in which the pipeline said why it made nothing.
        made: the folder with what was made, where it is kept.
    """

    place: str
    name: str
    source: str
    files: tuple[ComparedFile, ...] = ()
    causes: tuple[Remark, ...] = ()
    refusal: tuple[str, ...] = ()
    made: Path | None = None

    @property
    def identical(self) -> bool:
        """Whether the same bytes came out."""
        return not self.refusal and all(file.verdict == IDENTICAL for file in self.files)

    @property
    def different(self) -> tuple[ComparedFile, ...]:
        """The files that are not the same."""
        return tuple(file for file in self.files if file.verdict != IDENTICAL)


def reproduce(wish: Wish, progress: Progress) -> Reproduction:
    """Make a release again, and compare.

    Args:
        wish: what is asked for.
        progress: shown while something is downloaded, hashed or read.

    Raises:
        ConfigError: for what has no form that leads anywhere.
        SourceError: for a release or a source that is not there; says which option names it.
        FormatError: when the release does not say how it was made.
        OutputError: when there is no place to make it in.
    """
    with release_at(wish.where, progress) as copy:
        told, sums = ToldRelease.of(copy), _sums(copy)
        run = run_around(wish.where.what, copy)
        places = KnownPlaces(run, wish.dora_dir, wish.source, wish.codec, wish.usual)
        request = repeated_request(told, copy, places)
        with workplace(wish.keep) as folder:
            made = make(request, folder, wish.overrides)
            return _compared(copy, told, sums, request, made, wish.keep, progress)


def _sums(copy: Copy) -> dict[str, str]:
    held = copy.held(SHA256SUMS, whole=True)
    if held is None or held.path is None:
        what = f"There is no {SHA256SUMS}, which says what should be the same."
        raise SourceError(what, copy.place)
    try:
        return parse_sums(held.path.read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise FormatError(f"{SHA256SUMS} is no text.", copy.place) from error


def _compared(
    copy: Copy,
    told: ToldRelease,
    sums: dict[str, str],
    request: RepeatedRequest,
    made: Made,
    keep: Path | None,
    progress: Progress,
) -> Reproduction:
    name = f"{told.text('name')} {told.text('version')}"
    if made.release is None:
        return Reproduction(copy.place, name, request.source, refusal=made.refusal)
    again = FolderCopy(made.release.root)
    names: Sequence[str] = sorted({*sums, *_sums(again)})
    found = tuple(
        compared(copy, again, (each, each), progress, hash_all=True).file for each in names
    )
    return Reproduction(
        copy.place,
        name,
        request.source,
        found,
        tuple(causes_of(found, sums)),
        made=_kept(made.release, keep),
    )


def _kept(release: ReleaseFolder, keep: Path | None) -> Path | None:
    return release.root if keep is not None else None

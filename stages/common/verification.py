"""Is a copy of a release what it was? Its files against its lists, and against a receipt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline import files
from pipeline.amounts import amount
from pipeline.errors import FormatError
from pipeline.layout import RELEASE_JSON, SAMPLES
from pipeline.sheet import Remark
from pipeline.stage import Progress
from stages.common import afar
from stages.common.archive import Archive
from stages.common.checks import listed
from stages.common.claims import ANEW, MAX_TEXT, OUTSIDE, SAMPLES_JSON, Claim, Claims
from stages.common.copies import Copy, Held

PICKLES = (".bin", ".pt", ".th", ".pth", ".ckpt", ".pkl", ".pickle")
"""What a file ends in that a loader may unpickle."""

_OWN = "sha256"
"""How a file is compared that was read here."""


@dataclass(frozen=True)
class VerifiedFile:
    """A file of a copy, compared.

    Attributes:
        name: its path in the release.
        size: in bytes; ``None`` when it is not there.
        verdict: ``as listed``, ``changed``, ``another size``, ``missing``, ``not listed``; empty
            for what no list has, and need not.
        compared: by what, ``sha256`` or ``sha256, by the Hub's word``.
        opened: ``safe`` or ``refused`` for a pickle.
    """

    name: str
    size: int | None
    verdict: str
    compared: str = ""
    opened: str = ""


@dataclass(frozen=True)
class VerifiedCopy:
    """A copy, compared.

    Attributes:
        place: where it is.
        name: of the release, by its own word.
        version: of the release, by its own word.
        files: what is there, or should be.
        remarks: what is wrong.
    """

    place: str
    name: str | None
    version: str | None
    files: tuple[VerifiedFile, ...]
    remarks: tuple[Remark, ...]

    @property
    def identical(self) -> bool:
        """Whether it is what it was, and loads safely."""
        return not any(remark.severity == "problem" for remark in self.remarks)


def verify(
    copy: Copy, progress: Progress, published: Mapping[str, Claim] | None = None
) -> VerifiedCopy:
    """Compare a copy with what its lists say, and open what a loader would unpickle.

    Args:
        copy: where it lies.
        progress: shown while something is hashed.
        published: what a receipt says of each file; what lies beside them is then no difference.

    Raises:
        SourceError: when a file cannot be had.
        FormatError: when one of the lists is too large to be one.
    """
    claims = Claims()
    for name, claim in (published or {}).items():
        claims.add(name, claim)
    claims.read(lambda name: _text(copy, name))
    remarks = list(claims.remarks)
    found = []
    for name in sorted({*(copy.sizes or {}), *claims.by_name}):
        stated = claims.by_name.get(name)
        # A pickle that no list has may be loaded by somebody all the same.
        held = copy.held(name) if stated or _is_pickle(name) else None
        if stated:
            file, wrong = _compared(name, stated, held, copy.keeper, progress)
        else:
            size = (copy.sizes or {}).get(name)
            file, wrong = _unlisted(name, size, claims, strange=published is None)
        opened, refused = _opened(name, held)
        found.append(replace(file, opened=opened))
        remarks += [*wrong, *refused]
    remarks += _unread(copy, found)
    return VerifiedCopy(copy.place, claims.name, claims.version, tuple(found), tuple(remarks))


def _text(copy: Copy, name: str) -> bytes | None:
    """Read one of the lists."""
    size = (copy.sizes or {}).get(name, 0)
    if size <= MAX_TEXT:
        held = copy.held(name, whole=True)
        if held is None or held.path is None:
            return None
        if held.size <= MAX_TEXT:
            return held.path.read_bytes()
        size = held.size
    raise FormatError(f"{name} has {amount(size)}, too many for a list of files.", copy.place)


def _compared(
    name: str, claims: Sequence[Claim], held: Held | None, keeper: str, progress: Progress
) -> tuple[VerifiedFile, list[Remark]]:
    """Compare a file with all that is said of it; the first difference is told."""
    if held is None:
        wrong = [_problem(f"{name} is missing, {claims[0].by} lists it.")]
        return VerifiedFile(name, None, "missing"), wrong
    verdict, wrong, compared = "as listed", [], ""
    sizes = [claim for claim in claims if claim.size not in (None, held.size)]
    if sizes:
        verdict = "another size"
        what = f"{name} has {held.size} bytes, {sizes[0].by} says {sizes[0].size}."
        wrong.append(_problem(what))
    else:
        compared = f"{_OWN}, by {keeper}'s word" if held.path is None else _OWN
        found = _sha256(name, held, progress)
        for claim in [claim for claim in claims if claim.sha256 != found][:1]:
            verdict = "changed"
            digests = f"its sha256 is {found[:12]}..., not {claim.sha256[:12]}..."
            wrong.append(_problem(f"{name} is not the file that {claim.by} lists: {digests}"))
    return VerifiedFile(name, held.size, verdict, compared), wrong


def _sha256(name: str, held: Held, progress: Progress) -> str:
    if held.path is None:
        return held.sha256
    with progress.task(f"hash {name}", held.size) as task:
        return files.file_digest(held.path, task.advance).sha256


def _is_pickle(name: str) -> bool:
    return name.lower().endswith(PICKLES)


def _opened(name: str, held: Held | None) -> tuple[str, list[Remark]]:
    """Read a pickle as everyone here does: nothing that it says is run, and not all is taken."""
    if held is None or not _is_pickle(name):
        return "", []
    try:
        if held.path is not None:
            with Archive.open(held.path) as archive:
                _ = archive.root
        elif held.ranged is not None:
            afar.demand_safe(held.ranged, held.size, name)
    except FormatError as error:
        remedy = "do not load it with anything else before you know what it is"
        return "refused", [Remark("problem", f"{name}: {error.what}", remedy=remedy)]
    return "safe", []


def _unlisted(
    name: str, size: int | None, claims: Claims, strange: bool
) -> tuple[VerifiedFile, list[Remark]]:
    """Say what a file is that no list has: the card, the lists, samples; or none of the release."""
    samples = name.startswith(f"{SAMPLES}/") and not any(
        claim.by == SAMPLES_JSON for stated in claims.by_name.values() for claim in stated
    )
    if name in OUTSIDE or name == RELEASE_JSON or samples or not claims.by_name:
        return VerifiedFile(name, size, ""), []
    what = f"{name} is not a file of this release: nothing lists it."
    wrong = Remark("problem" if strange else "hint", what)
    return VerifiedFile(name, size, "not listed"), [wrong]


def _unread(copy: Copy, found: Sequence[VerifiedFile]) -> Iterator[Remark]:
    """Say what rests on somebody's word."""
    trusted = [file.name for file in found if file.compared not in ("", _OWN)]
    if trusted:
        yield Remark(
            "hint",
            f"{listed(trusted)}: only what {copy.keeper} tells of them was compared.",
            remedy="--download reads them",
        )


def _problem(what: str) -> Remark:
    return Remark("problem", what, remedy=ANEW)

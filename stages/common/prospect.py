"""What a release of a model would hold and weigh, and the request that makes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.layout import COMPRESSION, STATE_DICT, Outputs, Run
from pipeline.schema import CompressionConfig
from pipeline.sheet import Remark
from pipeline.stage import Context, Plan
from stages.common import agreement, codecs
from stages.common.archive import is_zip
from stages.common.checkpoint import Checkpoint
from stages.common.codec_choice import Bundle, Choice, Reference, Trained, choose
from stages.common.exported import cast_bytes
from stages.common.own_codec import opened
from stages.common.reading import Reading, remarks_of
from stages.common.release_files import release_file
from stages.common.request_line import request_line
from stages.common.settings import Settings, Unusable

OWN = "NAME"
"""Stands for a release file that is still to be written."""


@dataclass(frozen=True)
class Source:
    """How a request says where the model is.

    Attributes:
        overrides: the keys of ``checkpoint`` with their values.
        dora_dir: the folder of the experiments that it may name; ``None`` where none is known.
        follows: whether a release looks for the codec's experiment in it without being told.
        beside: an exported codec that belongs to it: a path or a Hub id.
        codec: the file of that codec, where it is on this machine.
    """

    overrides: Mapping[str, str | int]
    dora_dir: Path | None = None
    follows: bool = False
    beside: str | None = None
    codec: Path | None = None


@dataclass(frozen=True)
class ReleaseFile:
    """One file that a release would hold.

    Attributes:
        name: of the file.
        content: what would be in it.
        bytes: about what it would weigh; ``None`` where that is not known.
        float16: the same with ``export.dtype=float16``.
    """

    name: str
    content: str
    bytes: int | None
    float16: int | None


@dataclass(frozen=True)
class Prospect:
    """A release that could be made.

    Attributes:
        files: what it would hold.
        codec: the figures of its codec, where they are known.
        command: the request, for a shell.
    """

    files: tuple[ReleaseFile, ...]
    codec: codecs.Codec | None
    command: str


@dataclass(frozen=True)
class _Codec:
    """The codec that the release of a language model would get."""

    file: ReleaseFile
    figures: codecs.Codec | None = None
    overrides: dict[str, str | int] = field(default_factory=dict)


def prospect_of(reading: Reading, source: Source) -> tuple[Prospect | None, list[Remark]]:
    """Tell what a release would be, and what keeps the codec from being in it."""
    found, remarks = _prospect(reading, source)
    if found is not None and _release_file(reading) == OWN:
        remarks = [*remarks, _UNNAMED]
    return found, remarks


def _prospect(reading: Reading, source: Source) -> tuple[Prospect | None, list[Remark]]:
    weights = next((w for w in reading.model.states if w.name == reading.state), None)
    if weights is None:
        return None, []
    overrides = dict(source.overrides)
    if reading.chosen:
        overrides["checkpoint.state"] = weights.name
    epoch = f" of epoch {weights.epoch}" if weights.epoch else ""
    content = f"{weights.name} state{epoch}"
    if reading.model.family == "compression":
        own = ReleaseFile(COMPRESSION, content, weights.bytes, weights.bytes)
        return Prospect((own,), None, _command(reading, overrides)), []
    half = cast_bytes(weights.parameters, weights.bytes, "float16")
    lm = ReleaseFile(STATE_DICT, content, weights.bytes, half)
    try:
        codec = _codec(reading, source)
    except PipelineError as error:
        missing = Remark("problem", error.what, error.where, error.hint)
        return Prospect((lm,), None, _command(reading, overrides)), [missing]
    command = _command(reading, overrides | codec.overrides)
    apart = list(disagreements(reading.settings, codec.figures))
    return Prospect((lm, codec.file), codec.figures, command), apart


def disagreements(settings: Settings, codec: codecs.Codec | None) -> Iterator[Remark]:
    """Find where a language model and a codec do not speak the same codes."""
    if codec is None:
        return
    compared = (
        agreement.codebooks,
        agreement.cardinality,
        agreement.sample_rate,
        agreement.channels,
    )
    for compare in compared:
        try:
            yield from remarks_of(compare(settings, codec))
        except Unusable:
            continue  # which the check of what the builders need has said


def figures_of(path: Path | None, pretrained: str | None) -> codecs.Codec | None:
    """Give a codec's figures, from the table for a known name, else from its file's config."""
    if pretrained is not None:
        return codecs.KNOWN.get(pretrained)
    if path is None or not is_zip(path):
        return None
    try:
        with Checkpoint.open(path) as checkpoint:
            if checkpoint.pretrained is not None:
                return codecs.KNOWN.get(checkpoint.pretrained)
            return replace(codecs.codec_of(checkpoint.config), name="the codec")
    except PipelineError:
        return None


def _codec(reading: Reading, source: Source) -> _Codec:
    """Follow the codec that a model was trained on; one that lies beside it, where that fails.

    Raises:
        PipelineError: when there is neither.
    """
    try:
        return _chosen(CompressionConfig("auto", None, source=None), reading, source)
    except PipelineError:
        if source.beside is None:
            raise
    asked: dict[str, str | int]
    name, beside = _reference_in(source.codec), source.beside
    if name is not None:
        asked = {"compression": "reference", "compression.pretrained": name}
        found = _chosen(CompressionConfig("reference", name, source=None), reading, source)
    else:
        asked = {"compression": "bundle", "compression.source": beside}
        config = CompressionConfig("bundle", None, source=beside)
        found = _chosen(config, reading, source)
    return replace(found, overrides=asked)


def _reference_in(path: Path | None) -> str | None:
    if path is None or not is_zip(path):
        return None
    with Checkpoint.open(path) as checkpoint:
        return checkpoint.pretrained


def _chosen(config: CompressionConfig, reading: Reading, source: Source) -> _Codec:
    """Choose as a release does, and weigh what was chosen."""
    ctx = _context(reading, source)
    choice = choose(config, ctx)
    if isinstance(choice, Reference):
        known = codecs.KNOWN.get(choice.name)
        return _Codec(ReleaseFile(COMPRESSION, f"the name {choice.name}", None, None), known)
    path = choice.path if isinstance(choice, Trained | Bundle) else None
    if isinstance(choice, Bundle) and path is None:
        path = source.codec
    if path is None or not is_zip(path):
        content = f"weights of {source.beside or reading.model.codec}"
        return _Codec(ReleaseFile(COMPRESSION, content, None, None))
    return _weighed(ctx, choice, path, source)


def _weighed(ctx: Context, choice: Choice | None, path: Path, source: Source) -> _Codec:
    with opened(ctx, choice, path) as own:
        name = own.checkpoint.signature and f"//sig/{own.checkpoint.signature}"
        epoch = f", epoch {own.epoch}" if own.epoch else ""
        content = f"weights of {name or path.name} ({own.state.name} state{epoch})"
        figures = replace(codecs.codec_of(own.checkpoint.config), name="the codec")
        size = own.state.nbytes
    told = isinstance(choice, Trained) and choice.signature and not source.follows
    overrides: dict[str, str | int] = {}
    if told:
        overrides["compression.dora_dir"] = str(source.dora_dir)
    return _Codec(ReleaseFile(COMPRESSION, content, size, size), figures, overrides)


def _context(reading: Reading, source: Source) -> Context:
    """Give what a codec is chosen by, as if collect had just planned."""
    nowhere = Path()
    facts = {"family": reading.model.family, "codec": reading.model.codec or ""}
    local = {"dora_dir": str(source.dora_dir)} if source.dora_dir else {}
    plans = {"collect": Plan("", facts=facts, local=local)}
    return Context(Run(nowhere, Outputs(nowhere)), nowhere, plans=plans)


def _command(reading: Reading, overrides: Mapping[str, str | int]) -> str:
    return request_line(_release_file(reading), overrides)


def _release_file(reading: Reading) -> str:
    """Give the release file that is about such a model, or what stands for one."""
    architecture = reading.model.architecture
    return (release_file(architecture) if architecture else None) or OWN


_UNNAMED = Remark(
    "hint",
    f"No release file here is about such a model: {OWN} stands for one of your own.",
    remedy=f"write config/release/{OWN}.yaml, or one elsewhere with --config-dir FOLDER",
)

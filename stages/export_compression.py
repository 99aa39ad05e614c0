"""Writes ``compression_state_dict.bin``: an own codec's weights, or the name of a pretrained one.

The weights keep their dtype whatever ``export.dtype`` says: AudioCraft runs codecs in float32, and
they are small beside the language model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.errors import FormatError, PipelineError, SourceError
from pipeline.layout import COMPRESSION, ExportFolder
from pipeline.schema import CompressionConfig, ExportConfig
from pipeline.stage import Context, Facts, Plan, Problem, Record
from stages.common import collected, exported, legacy, sources
from stages.common.archive import Archive, is_zip
from stages.common.checkpoint import Checkpoint, State, choose_state
from stages.common.codec_choice import Bundle, Choice, Collected, Reference, Trained, choose
from stages.common.codecs import KNOWN, codec_of, near_names


@dataclass(frozen=True)
class OwnCodec:
    """An open codec, the state of it that is released, and the epoch that state is from."""

    checkpoint: Checkpoint
    state: State
    epoch: int | None


class ExportCompression:
    """Makes the codec's file."""

    name = "export_compression"
    version = 1
    inputs = ("collect",)
    always = False

    def __init__(self, config: CompressionConfig, export: ExportConfig) -> None:
        """Take which codec is asked for, and how files are to be written."""
        self.config, self.export = config, export

    def check(self, ctx: Context) -> list[Problem]:
        """Find a codec that is not there, is none, or does not have the state; a full disk."""
        try:
            choice = choose(self.config, ctx)
            if (path := self._path(ctx, choice)) is not None and is_zip(path):
                with _opened(ctx, choice, path) as own:
                    codec_of(own.checkpoint.config)
                    if not ctx.run.export_compression.compression.exists():
                        exported.demand_space(ctx.run.root, own.state.nbytes)
        except PipelineError as error:
            return [Problem.of(error)]
        return []

    def plan(self, ctx: Context) -> Plan:
        """Tell which codec the release gets."""
        choice = choose(self.config, ctx)
        if choice is None:
            return Plan("the codec that the language model was trained on")
        if isinstance(choice, Reference):
            near = [] if choice.name in KNOWN else near_names(choice.name)
            note = f"{choice.name} is no codec known here; did you mean {' or '.join(near)}?"
            return Plan(
                f"reference to {choice.name}",
                facts=_reference_facts(choice.name),
                notes=(note,) if near else (),
            )
        path = self._path(ctx, choice)
        if path is None or not is_zip(path):
            source = choice.source if isinstance(choice, Bundle) else "the codec"
            return Plan(f"the weights of {source}")
        with _opened(ctx, choice, path) as own:
            return Plan(_summary(own), own.state.nbytes, facts=_own_facts(own, choice))

    def key(self, ctx: Context) -> Facts:
        """Give the codec, by its content where it is on this machine, and how it is written."""
        written = {"audiocraft_version": self.export.audiocraft_version}
        choice = choose(self.config, ctx)
        if choice is None or isinstance(choice, Collected):
            return {**written, "sanitize": self.export.sanitize, "codec": "collected"}
        if isinstance(choice, Reference):
            return {**written, "pretrained": choice.name}
        written["sanitize"] = self.export.sanitize
        if isinstance(choice, Trained):
            asked = {"signature": choice.signature, "epoch": choice.epoch, "state": choice.state}
            return {**written, **asked, "archive": _content(choice.path)}
        if choice.path is not None:
            return {**written, "archive": _content(choice.path)}
        return {**written, "source": choice.source}

    def run(self, ctx: Context) -> Record:
        """Write ``compression_state_dict.bin`` into ``ctx.folder``.

        Raises:
            SourceError: when the codec is not there, or no codec.
            FormatError: when its file is damaged, or holds another kind of model.
            OutputError: when the disk is full.
        """
        target = ExportFolder(ctx.folder).compression
        choice = choose(self.config, ctx)
        if choice is None:
            raise SourceError("There is no language model to follow.", hint="until_stage=collect")
        if isinstance(choice, Reference):
            package = exported.Package.of_reference(choice.name, self.export)
            digest = package.write(target, ctx.progress)
            return Record(facts=_reference_facts(choice.name), digests={COMPRESSION: digest})
        path = self._path(ctx, choice)
        if path is None and isinstance(choice, Bundle):
            path = sources.resolve(choice.source, file_name=COMPRESSION)
        with _current(path, ctx.folder) as file, _opened(ctx, choice, file) as own:
            package = exported.Package.of_model(
                own.checkpoint.archive, own.state.tensors, own.checkpoint.config, self.export
            )
            facts = _own_facts(own, choice) | {
                "removed": list(package.removed),
                "blanked": list(package.blanked),
                "parameters": package.parameters,
                "bytes": package.nbytes,
            }
            digest = package.write(target, ctx.progress)
        return Record(facts=facts, digests={COMPRESSION: digest})

    def _path(self, ctx: Context, choice: Choice | None) -> Path | None:
        """Give the codec's file, where it is on this machine already."""
        if isinstance(choice, Collected):
            return collected.path_of(ctx)
        return choice.path if isinstance(choice, Trained | Bundle) else None


@contextmanager
def _opened(ctx: Context, choice: Choice | None, path: Path) -> Iterator[OwnCodec]:
    """Open a codec's file and choose the state.

    Raises:
        SourceError: when it is not what was asked for.
        FormatError: when it is no codec at all.
    """
    with Checkpoint.open(path) as checkpoint:
        if checkpoint.pretrained is not None:
            raise SourceError(
                f"There are no weights in the file, only the name {checkpoint.pretrained}.",
                str(path),
                "Use the name: compression=reference "
                f"compression.pretrained={checkpoint.pretrained}",
            )
        if checkpoint.family != "compression":
            raise FormatError(
                "The checkpoint is not a codec's: it holds a language model.",
                str(path),
                "Give a codec: compression.sig=//sig/SIG, compression.path or compression.source",
            )
        state = _state(ctx, choice, checkpoint, path)
        # Without a metric to compare, a codec's best state is the one of its last epoch.
        epoch = checkpoint.epochs if checkpoint.form == "training" else None
        if isinstance(choice, Collected):
            epoch = ctx.facts("collect").get("epoch")
        yield OwnCodec(checkpoint, state, epoch)


def _state(ctx: Context, choice: Choice | None, checkpoint: Checkpoint, path: Path) -> State:
    if isinstance(choice, Collected):
        return collected.state_of(ctx, checkpoint)
    if isinstance(choice, Bundle):
        if checkpoint.form != "exported":
            raise SourceError(
                "The codec is the checkpoint of a training run, not an exported one.",
                str(path),
                f"Export it on the way: compression=trained compression.path={path}",
            )
        return choose_state(checkpoint, "auto", None)
    if not isinstance(choice, Trained):
        raise SourceError("There is no codec to open.", str(path))
    if choice.signature not in (None, checkpoint.signature):
        raise SourceError(
            f"The checkpoint is of the experiment {checkpoint.signature}, not {choice.signature}.",
            str(path),
        )
    return choose_state(checkpoint, choice.state, choice.epoch)


@contextmanager
def _current(path: Path | None, folder: Path) -> Iterator[Path]:
    """Give the file in today's form; one in the old form is converted for as long as needed."""
    if path is None:
        raise SourceError("The codec's checkpoint is not known.", hint="Run collect first.")
    if is_zip(path):
        yield path
        return
    converted = folder / "converted.th"
    try:
        legacy.convert(path, converted)
        yield converted
    finally:
        files.remove(converted)


def _content(path: Path) -> str:
    """Recognise a codec's content: by its archive's directory, or whole in the old form."""
    if not is_zip(path):
        return files.file_digest(path).sha256
    with Archive.open(path) as archive:
        return archive.directory_digest


def _summary(own: OwnCodec) -> str:
    parts = ["EnCodec"] + ([own.checkpoint.signature] if own.checkpoint.signature else [])
    state = own.state.name if own.epoch is None else f"{own.state.name} epoch {own.epoch}"
    return f"{' '.join(parts)}, {state}, {own.state.nbytes / 1e6:.1f} MB"


def _reference_facts(name: str) -> dict[str, Any]:
    known = KNOWN.get(name)
    return {
        "form": "reference",
        "pretrained": name,
        "signature": None,
        "epoch": None,
        "state": None,
        "state_digest": None,
        "codec": known.facts if known else None,
    }


def _own_facts(own: OwnCodec, choice: Choice) -> dict[str, Any]:
    return {
        "form": "weights",
        # Of bundled weights, the repository that they were taken from.
        "pretrained": choice.hub_id if isinstance(choice, Bundle) else None,
        "signature": own.checkpoint.signature,
        "epoch": own.epoch,
        "state": own.state.name,
        "state_digest": own.state.digest(own.checkpoint.archive),
        "codec": codec_of(own.checkpoint.config).facts,
    }

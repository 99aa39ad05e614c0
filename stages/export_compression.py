"""Writes ``compression_state_dict.bin``: an own codec's weights, or the name of a pretrained one.

The weights keep their dtype whatever ``export.dtype`` says: AudioCraft runs codecs in float32, and
they are small beside the language model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.amounts import amount
from pipeline.errors import PipelineError, SourceError
from pipeline.layout import COMPRESSION, ExportFolder
from pipeline.manifest import digest
from pipeline.schema import CompressionConfig, ExportConfig
from pipeline.stage import Context, Facts, Plan, Problem, Record
from stages.common import collected, downloads, exported, legacy
from stages.common.archive import is_legacy, is_zip
from stages.common.codec_choice import Bundle, Choice, Collected, Reference, Trained, choose
from stages.common.codecs import KNOWN, codec_of, near_names
from stages.common.disk_space import demand_space
from stages.common.own_codec import OwnCodec, content_of, current, fetched, opened


class ExportCompression:
    """Makes the codec's file."""

    name = "export_compression"
    version = 1
    inputs: Sequence[str] = ("collect",)
    always = False

    def __init__(self, config: CompressionConfig, export: ExportConfig) -> None:
        """Take which codec is asked for, and how files are to be written."""
        self.config, self.export = config, export

    def check(self, ctx: Context) -> list[Problem]:
        """Find a codec that is not there, is none, or does not have the state; a full disk."""
        try:
            choice = choose(self.config, ctx)
            path = self._path(ctx, choice)
            if path is not None and path.is_file() and not is_legacy(path):
                with opened(ctx, choice, path) as own:
                    codec_of(own.checkpoint.config)
                    if not ctx.run.export_compression.compression.exists():
                        demand_space(ctx.run.root, own.state.nbytes)
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
            source = downloads.shown(choice.source) if isinstance(choice, Bundle) else "the codec"
            notes = (legacy.note(path),) if path is not None and is_legacy(path) else ()
            return Plan(f"the weights of {source}", notes=notes)
        with opened(ctx, choice, path) as own:
            return Plan(_summary(own), own.state.nbytes, facts=_own_facts(own, choice))

    def key(self, ctx: Context) -> Facts:
        """Give the codec, by its content where it is on this machine, and how it is written."""
        written: dict[str, Any] = {"audiocraft_version": self.export.audiocraft_version}
        choice = choose(self.config, ctx)
        if choice is None or isinstance(choice, Collected):
            return {**written, **self._weights_key, "codec": "collected"}
        if isinstance(choice, Reference):
            return {**written, "pretrained": choice.name}
        written |= self._weights_key
        if isinstance(choice, Trained):
            asked = {"signature": choice.signature, "epoch": choice.epoch, "state": choice.state}
            return {**written, **asked, "archive": content_of(choice.path)}
        if choice.kind == "file" and choice.path is not None:
            return {**written, "archive": content_of(choice.path)}
        # Nobody asks the network whether something has changed there, unless this is forced.
        return {**written, "source": digest(choice.source)}

    @property
    def _weights_key(self) -> dict[str, Any]:
        """How weights are written; a reference has none."""
        return {
            "sanitize": self.export.sanitize,
            "allow_nonfinite": self.export.allow_nonfinite,
        }

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
            written = package.write(target, ctx.progress)
            return Record(
                facts=_reference_facts(choice.name), digests={COMPRESSION: written.digest}
            )
        path = self._path(ctx, choice)
        if isinstance(choice, Bundle) and choice.kind != "file":
            path = fetched(choice, ctx)
        with current(path, ctx.folder) as file, opened(ctx, choice, file) as own:
            package = exported.Package.of_model(
                own.state.tensors, own.checkpoint.config, self.export
            )
            facts = _own_facts(own, choice) | {
                "removed": list(package.removed),
                "blanked": list(package.blanked),
                "parameters": package.parameters,
                "bytes": package.nbytes,
            }
            written = package.write(target, ctx.progress)
            facts |= package.accepted(written)
            local = {
                "path": str(file.absolute()),
                "archive": own.checkpoint.archive.directory_digest,
            }
        return Record(facts=facts, local=local, digests={COMPRESSION: written.digest})

    def _path(self, ctx: Context, choice: Choice | None) -> Path | None:
        """Give the codec's file, where it is on this machine already."""
        if isinstance(choice, Collected):
            return collected.path_of(ctx)
        return choice.path if isinstance(choice, Trained | Bundle) else None


def _summary(own: OwnCodec) -> str:
    parts = ["EnCodec"] + ([own.checkpoint.signature] if own.checkpoint.signature else [])
    state = own.state.name if own.epoch is None else f"{own.state.name} epoch {own.epoch}"
    return f"{' '.join(parts)}, {state}, {amount(own.state.nbytes)}"


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
        "pretrained": choice.repo_id if isinstance(choice, Bundle) else None,
        "signature": own.checkpoint.signature,
        "epoch": own.epoch,
        "state": own.state.name,
        "state_digest": own.state.digest(),
        "codec": codec_of(own.checkpoint.config).facts,
    }

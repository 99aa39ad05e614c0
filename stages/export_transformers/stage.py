"""The stage: a whole model in transformers' format, made of what the other exports left.

Nothing of transformers or torch is needed: configs are written, tensors stream from file to file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from pipeline import files
from pipeline.errors import PipelineError
from pipeline.layout import TransformersFolder
from pipeline.manifest import FileDigest, pretty
from pipeline.paths import expanded
from pipeline.schema import CompressionConfig, ExportConfig
from pipeline.stage import Context, Facts, Plan, Problem, Record
from stages.common import collected, hub, own_codec, xp_config
from stages.common.archive import is_zip
from stages.common.checkpoint import Checkpoint
from stages.common.codec_choice import Reference, choose
from stages.common.disk_space import demand_space
from stages.common.musicgen_config import generation_config, model_config, processor_config
from stages.export_transformers import codec as codecs
from stages.export_transformers import shards, text_encoder
from stages.export_transformers.codec import Codec
from stages.export_transformers.inexpressible import InexpressibleError, able
from stages.export_transformers.language_model import LanguageModel
from stages.export_transformers.pieces import Piece
from stages.export_transformers.pretrained import Pretrained

FORMATS = ("audiocraft", "transformers")


class ExportTransformers:
    """Makes what ``from_pretrained`` of transformers loads; only when it was asked for."""

    name = "export_transformers"
    version = 1
    inputs: Sequence[str] = ("collect", "export_lm", "export_compression")
    always = False

    def __init__(
        self, formats: Sequence[str], export: ExportConfig, compression: CompressionConfig
    ) -> None:
        """Take the formats that the release is for, and which codec it has."""
        self.formats, self.export, self.compression = list(formats), export, compression

    def check(self, ctx: Context) -> list[Problem]:
        """Find what transformers cannot express, a codec or a T5 that is nowhere, a full disk."""
        if problems := self._format_problems(ctx):
            return problems
        if not self._wanted:
            return []
        found: list[Problem] = []
        for look in (self._check_codec, self._check_model):
            try:
                look(ctx)
            except InexpressibleError as error:
                found += error.problems
            except PipelineError as error:
                found.append(Problem.of(error))
        return found

    def plan(self, ctx: Context) -> Plan:
        """Tell what will be made."""
        if not self._wanted:
            return Plan("formats does not ask for transformers", needed=False)
        size = self._lm_bytes(ctx)
        return Plan(
            "a model that transformers loads",
            size and size + self._text_bytes(ctx),
            facts={"codec": self._published_codec(ctx)},
        )

    def key(self, ctx: Context) -> Facts:
        """Give the models from elsewhere; our own are in the records of the other exports."""
        if not self._wanted:
            return {}
        codec, encoder = self.export.codec, self.export.text_encoder
        return {
            "codec": None if codec is None else _content(_place_or_none(codec), codec),
            "text_encoder": _content(self._encoder(ctx), encoder),
        }

    def run(self, ctx: Context) -> Record:
        """Write the model into ``ctx.folder``.

        Raises:
            InexpressibleError: with all that transformers cannot express.
            SourceError: when the codec or the T5 is not to be had.
            FormatError: when a file is damaged.
            OutputError: when the disk is full.
        """
        folder = TransformersFolder(ctx.folder)
        with ExitStack() as stack:
            exported = stack.enter_context(Checkpoint.open(ctx.run.export_lm.state_dict))
            model = LanguageModel.of(exported.config, exported.state("best").tensors)
            codec = stack.enter_context(codecs.opened(self._codec(ctx)))
            codec.demand_fit(model.codebooks, model.cardinality)
            encoder = text_encoder.fetched(model.text_encoder, self.export.text_encoder)
            encoder_config = text_encoder.config_of(encoder, model.text_width)
            tensors = stack.enter_context(encoder.tensors())
            layers = int(encoder_config.get("num_layers", 0))
            pieces: dict[str, Piece] = {
                **model.pieces,
                **codec.pieces,
                **text_encoder.pieces_of(tensors, layers),
            }
            size = shards.size_of(pieces)
            demand_space(ctx.folder, size)
            with ctx.progress.task(shards.MODEL, size) as task:
                digests = shards.write_model(ctx.folder, pieces, task.advance)
            with able("the language model"):
                self._write_configs(folder, model, codec, encoder_config)
            text_encoder.put_tokenizer(encoder, ctx.folder)
        return Record(
            facts={
                "class": model.kind,
                "codec": self._published_codec(ctx),
                "text_encoder": model.text_encoder,
                "parameters": sum(math.prod(piece.shape) for piece in pieces.values()),
            },
            digests=digests | _rest(ctx.folder, digests),
        )

    @property
    def _wanted(self) -> bool:
        return "transformers" in self.formats

    def _format_problems(self, ctx: Context) -> list[Problem]:
        shown = f"formats={self.formats}"
        for name in self.formats:
            if name not in FORMATS:
                near = get_close_matches(name, FORMATS, 1)
                hint = f"Did you mean {near[0]}? " if near else ""
                what = f"{shown}: there is no format {name}."
                return [Problem(what, hint=f"{hint}{', '.join(FORMATS)}")]
        if "audiocraft" not in self.formats:
            what = f"{shown}: every release has AudioCraft's files."
            return [Problem(what, hint="formats=[audiocraft,transformers] has both")]
        if self._wanted and collected.is_codec(ctx):
            what = f"{shown}: a codec alone is released for AudioCraft only."
            return [Problem(what, hint="formats=[audiocraft]")]
        return []

    def _check_model(self, ctx: Context) -> None:
        """Look at the checkpoint, where it is on this machine already, and for its T5."""
        with self._source(ctx) as model:
            if model is None:
                return
            name, asked = model.text_encoder, self.export.text_encoder
            if (encoder := text_encoder.demand(name, asked)) is not None:
                text_encoder.config_of(encoder, model.text_width)
                text_encoder.demand_whole(encoder)
            if not ctx.run.stage(self.name).exists():
                demand_space(ctx.run.root, self._lm_bytes(ctx) or 0)

    def _check_codec(self, ctx: Context) -> None:
        choice = choose(self.compression, ctx)
        if isinstance(choice, Reference):
            place = codecs.place_of(self.export.codec, choice.name, None)
        elif self.export.codec is not None:
            place = codecs.place_of(self.export.codec, None, None)
        else:
            path = getattr(choice, "path", None)
            if path is not None and is_zip(path):
                with own_codec.opened(ctx, choice, path) as own:
                    codecs.of_state(own.checkpoint, own.state)
            return
        if place is not None:
            with codecs.opened(place):
                pass

    def _published_codec(self, ctx: Context) -> str | None:
        """Give the Hub id of a codec that AudioCraft's files do not contain, but these do."""
        asked = self.export.codec
        if asked is not None and hub.is_repo_id(asked) and not expanded(asked).exists():
            return asked
        choice = choose(self.compression, ctx)
        if isinstance(choice, Reference) and hub.is_repo_id(choice.name):
            return choice.name
        return None

    def _codec(self, ctx: Context) -> codecs.Place:
        """Give the codec that the release has, or the one that was asked for."""
        exported = ctx.run.export_compression.compression
        with Checkpoint.open(exported) as checkpoint:
            referenced = checkpoint.pretrained
        place = codecs.place_of(self.export.codec, referenced, exported)
        return place or codecs.fetched(str(self.export.codec))

    @contextmanager
    def _source(self, ctx: Context) -> Iterator[LanguageModel | None]:
        """Map the checkpoint as it will be exported; none, where it is not here yet."""
        path = collected.path_of(ctx)
        if path is None or not path.is_file() or not is_zip(path):
            yield None
            return
        with Checkpoint.open(path) as checkpoint:
            state = checkpoint.state(str(ctx.facts("collect").get("state", "best")))
            yield LanguageModel.of(self._overridden(checkpoint.config), state.tensors)

    def _overridden(self, config: DictConfig) -> DictConfig:
        return xp_config.apply_overrides(xp_config.loadable(config), self.export.config_overrides)

    def _encoder(self, ctx: Context) -> Pretrained | None:
        """Find the T5 without a word of complaint."""
        if self.export.text_encoder is not None:
            return text_encoder.find("", self.export.text_encoder)
        with self._source(ctx) as model:
            return text_encoder.find(model.text_encoder, None) if model else None

    def _lm_bytes(self, ctx: Context) -> int | None:
        size = ctx.facts("collect").get("bytes")
        return int(size) if size is not None else None

    def _text_bytes(self, ctx: Context) -> int:
        encoder = self._encoder(ctx)
        return encoder.weights.stat().st_size if encoder else 0

    def _write_configs(
        self,
        folder: TransformersFolder,
        model: LanguageModel,
        codec: Codec,
        encoder_config: dict[str, Any],
    ) -> None:
        config, rate = dict(codec.config), codec.frame_rate
        whole = model_config(model.settings, config, encoder_config, model.dtype)
        files.write_text(folder.config, pretty(whole))
        files.write_text(folder.generation, pretty(generation_config(model.settings, rate)))
        files.write_text(folder.processor, pretty(processor_config(model.settings, config)))


def _rest(folder: Path, known: dict[str, FileDigest]) -> dict[str, FileDigest]:
    """Hash the small files."""
    return {
        path.name: files.file_digest(path)
        for path in sorted(folder.iterdir())
        if path.name not in known
    }


def _place_or_none(asked: str) -> codecs.Place | None:
    try:
        return codecs.place_of(asked, None, None)
    except PipelineError:  # which the check says
        return None


def _content(place: codecs.Place | None, name: str | None) -> str | None:
    """Recognise a model: one in a folder by what is in it, one from the Hub by its name."""
    if isinstance(place, Path):
        return own_codec.content_of(place)
    return place.content(name) if place else name

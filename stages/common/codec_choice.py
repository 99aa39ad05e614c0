"""Which codec a release gets: what a person asked for, or what the language model was trained on.

A choice is made from the request and the record of collect alone; of the files only their presence
counts here, and the network is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pipeline.errors import ConfigError, SourceError
from pipeline.layout import COMPRESSION
from pipeline.paths import expanded
from pipeline.schema import CompressionConfig
from pipeline.stage import Context
from stages.common import collected, sources
from stages.common.codecs import KNOWN, REFERENCE_PREFIX, is_reference, near_names
from stages.common.experiments import PREFIX as SIGNATURE_PREFIX
from stages.common.experiments import find_experiment, parse_signature
from stages.common.request_line import override

KINDS = ("auto", "reference", "trained", "bundle")
_GROUP = "compression"


@dataclass(frozen=True)
class Reference:
    """A pretrained codec by its name: the release then needs that second repository."""

    name: str


@dataclass(frozen=True)
class Collected:
    """The collected checkpoint itself: the release of a codec alone."""


@dataclass(frozen=True)
class Trained:
    """The checkpoint of an EnCodec run.

    Attributes:
        path: the file.
        signature: the experiment that it must come from, when one was asked for.
        epoch: the epoch asked for.
        state: the state asked for.
    """

    path: Path
    signature: str | None
    epoch: int | None
    state: str


@dataclass(frozen=True)
class Bundle:
    """An exported codec whose weights go into the release.

    Attributes:
        kind: ``file``, ``url`` or ``hub``.
        source: the path, the address or the Hub id.
        path: the file, where it is on this machine already.
    """

    kind: Literal["file", "url", "hub"]
    source: str
    path: Path | None

    @property
    def repo_id(self) -> str | None:
        """The repository that the weights are from, when they are from one."""
        return self.source if self.kind == "hub" else None


Choice = Reference | Collected | Trained | Bundle


def choose(config: CompressionConfig, ctx: Context) -> Choice | None:
    """Choose the codec; ``None`` while the language model to follow is not known yet.

    Raises:
        ConfigError: for a request that contradicts itself or names nothing.
        SourceError: for an experiment or a file that is not there.
    """
    if config.kind not in KINDS:
        raise ConfigError(
            f"compression={config.kind}: there is no such choice.",
            hint=f"Choose among {', '.join(KINDS)}.",
        )
    if config.kind == "reference":
        return _named(config.pretrained or "")
    if config.kind == "trained":
        return _trained(config, ctx)
    if config.kind == "bundle":
        return _bundle(config.source or "", ctx)
    return _followed(config, ctx)


def _followed(config: CompressionConfig, ctx: Context) -> Choice | None:
    """Follow the language model's ``compression_model_checkpoint``."""
    if collected.is_codec(ctx):
        return Collected()
    if "codec" not in ctx.facts("collect"):
        return None
    followed = collected.codec_of(ctx)
    if not followed:
        raise SourceError(
            "The checkpoint does not say which codec it was trained on.",
            "compression_model_checkpoint is empty in its xp.cfg",
            "Name it: compression=reference compression.pretrained=facebook/encodec_32khz",
        )
    if followed.startswith(SIGNATURE_PREFIX):
        return _experiment(config, ctx, followed)
    if followed.startswith(REFERENCE_PREFIX):
        name = followed.removeprefix(REFERENCE_PREFIX)
        # AudioCraft takes what exists for a file, whatever its name.
        return _bundle(name, ctx) if name.startswith(("/", "~")) else _named(name)
    if followed.startswith("//"):
        raise SourceError(
            f"The codec that the checkpoint names is not something to follow: {followed}",
            "compression_model_checkpoint in its xp.cfg",
            "Give it: compression=trained compression.path=/path/to/checkpoint.th",
        )
    return _checkpoint(Path(followed), config)


def _named(name: str) -> Reference:
    if is_reference(name):
        return Reference(name)
    path = expanded(name)
    if name and path.exists():
        raise ConfigError(
            f"compression.pretrained={name} is a path, not the name of a codec.",
            hint=f"Exported: compression=bundle {override('compression.source', name)}   "
            f"A run's checkpoint: compression=trained {override('compression.path', name)}",
        )
    near = near_names(name) or get_close_matches(name, KNOWN, 1, 0.4)
    raise ConfigError(
        f"There is no pretrained codec {name!r}: neither a known name, nor org/name, nor a path.",
        f"Did you mean {near[0]}?" if near else "",
        f"Known: {', '.join(KNOWN)}.",
    )


def _trained(config: CompressionConfig, ctx: Context) -> Trained:
    if (config.sig is None) == (config.path is None):
        raise ConfigError(
            "compression=trained needs one of compression.sig and compression.path.",
            "both are given" if config.sig else "neither is given",
            "compression.sig=//sig/98dabcc6 or compression.path=/path/to/checkpoint.th",
        )
    if config.sig is not None:
        return _experiment(config, ctx, config.sig)
    return _checkpoint(Path(config.path or ""), config)


def _experiment(config: CompressionConfig, ctx: Context, sig: str) -> Trained:
    signature = parse_signature(sig, f"{_GROUP}.sig")
    folder = config.dora_dir or ctx.local("collect").get("dora_dir")
    if not folder:
        repository = ctx.facts("collect").get("repo_id") or "org/name"
        raise SourceError(
            f"The codec is the experiment {SIGNATURE_PREFIX}{signature}; where is it?",
            "No Dora folder is known: the language model does not come from one.",
            "Give it, compression.dora_dir=/path/to/dora, or the exported codec: "
            f"compression=bundle {override('compression.source', repository)}",
        )
    experiment = find_experiment(expanded(folder), signature, _GROUP)
    path = experiment.checkpoint(config.epoch, _GROUP)
    return Trained(path, signature, config.epoch, config.state)


def _checkpoint(path: Path, config: CompressionConfig) -> Trained:
    path = expanded(path)
    if path.is_file():
        return Trained(path, None, config.epoch, config.state)
    raise SourceError(
        "The codec's checkpoint is not there.",
        str(path.absolute()),
        sources.near_files(path) or "Give another: compression=trained compression.path=PATH",
    )


def _bundle(source: str, ctx: Context) -> Bundle:
    there = bool(source) and expanded(source).exists()
    if not there and "/" in source and is_reference(source):
        # Not even the Hub's cache is asked before it must be: its client is slow to import.
        return Bundle("hub", source, None)
    downloads = sources.downloads_in(ctx.run.outputs)
    place = sources.find(source, file_name=COMPRESSION, folder=downloads)
    return Bundle(place.kind, place.name, place.path)

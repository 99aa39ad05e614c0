"""Where a request's checkpoint is: one function per option of the config group."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError, SourceError
from pipeline.layout import STATE_DICT
from pipeline.manifest import digest
from pipeline.paths import expanded
from pipeline.schema import CheckpointConfig
from pipeline.stage import Context, Facts
from stages.common import downloads, hub, saving, sources
from stages.common.experiments import PREFIX, Experiment, find_experiment, parse_signature


@dataclass(frozen=True)
class Origin:
    """A checkpoint that a request leads to.

    Attributes:
        kind: the option; ``auto`` has become the one that it stands for.
        label: its name, for people.
        path: the file, where it is on this machine already.
        facts: what the world may know of where it is from.
        key: the same as the key needs it, where that is not the same.
        signature: of the experiment that it must come from.
        dora_dir: the folder of that experiment and its codec's.
        notes: what to say about it before any work.
    """

    kind: str
    label: str
    path: Path | None
    facts: Facts = field(default_factory=dict)
    key: Facts = field(default_factory=dict)
    signature: str | None = None
    dora_dir: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def remote(self) -> bool:
        """Whether it is behind an address or in a repository, and what is here is a copy."""
        return self.kind in ("url", "hub")

    @property
    def miniature(self) -> bool:
        """Whether it is the embedded example."""
        return self.kind == "miniature"


def locate(config: CheckpointConfig, ctx: Context) -> Origin:
    """Find what a request leads to, without asking the network.

    Raises:
        ConfigError: for a request that cannot be right.
        SourceError: for what is not there; names what is.
    """
    if config.kind not in _LOCATED:
        near = get_close_matches(config.kind, _LOCATED, 1)
        raise ConfigError(
            f"checkpoint={config.kind}: there is no such choice.",
            hint=(f"Did you mean {near[0]}? " if near else "") + ", ".join(_LOCATED),
        )
    return _LOCATED[config.kind](config, ctx)


def fetch(
    origin: Origin, config: CheckpointConfig, ctx: Context, advance: Callable[[int], None]
) -> Path:
    """Give the file, having downloaded it where it must be.

    Raises:
        SourceError: when it cannot be downloaded, or has not been trained.
    """
    if origin.kind == "hub":  # also where it is cached: a branch may have moved since
        revision = str(origin.facts["revision"])
        return hub.download(origin.label, STATE_DICT, revision, advance=advance)
    if origin.path is not None:
        return origin.path
    if origin.kind == "url":
        url = str(config.url or config.source)
        return downloads.fetch(url, _downloads(ctx), _sha256(config), advance)
    raise SourceError(
        "The experiment has not been trained yet.",
        str(ctx.run.outputs.dora),
        "Train it first: from_stage=train",
    )


def _trained(config: CheckpointConfig, ctx: Context) -> Origin:
    facts: dict[str, Any] = {"package": ctx.facts("train").get("package", config.package)}
    if config.kind == "train":
        facts["overrides"] = list(config.overrides)
    local, signature = ctx.local("train"), ctx.facts("train").get("signature")
    if "train" not in ctx.records or not signature:
        return Origin(config.kind, config.kind, None, facts)
    experiment = Experiment(Path(local["dora_dir"]), str(signature))
    return replace(_of(experiment, config), kind=config.kind, facts=facts)


def _dora(config: CheckpointConfig, ctx: Context) -> Origin:
    signature = parse_signature(str(config.sig))
    if not config.dora_dir:
        raise ConfigError(
            f"{PREFIX}{signature} is an experiment; where is it?",
            "checkpoint.dora_dir is not given, and AUDIOCRAFT_DORA_DIR is not set",
            "Give the folder that holds xps: checkpoint.dora_dir=/path/to/dora",
        )
    folder = expanded(config.dora_dir).absolute()
    return _of(find_experiment(folder, signature), config)


def _of(experiment: Experiment, config: CheckpointConfig) -> Origin:
    path = experiment.checkpoint(config.epoch)
    return Origin(
        "dora",
        f"{PREFIX}{experiment.sig}",
        path,
        signature=experiment.sig,
        dora_dir=experiment.dora_dir,
        notes=experiment.notes(path),
    )


def _file(config: CheckpointConfig, ctx: Context) -> Origin:
    path = expanded(str(config.path))
    saving.demand_complete(path)
    found = sources.demand_file(saving.complete(path) or path, STATE_DICT).absolute()
    return Origin("file", found.name, found, notes=saving.note(found))


def _url(config: CheckpointConfig, ctx: Context) -> Origin:
    url = str(config.url)
    downloads.demand_https(url)
    kept = downloads.place_of(url, _downloads(ctx), _sha256(config))
    return Origin(
        "url",
        downloads.shown(url),
        kept if kept.is_file() else None,
        facts={"url": downloads.shown(url)},
        key={"url": digest(url)},
    )


def _hub(config: CheckpointConfig, ctx: Context) -> Origin:
    repo_id, revision = str(config.repo_id), config.revision
    path = hub.cached(repo_id, STATE_DICT, revision)
    asked = {"repo_id": repo_id, "revision": revision}
    return Origin("hub", repo_id, path, facts=asked, key=asked)


def _auto(config: CheckpointConfig, ctx: Context) -> Origin:
    source = str(config.source)
    if source.startswith(PREFIX):
        return _dora(replace(config, sig=source), ctx)
    place = sources.find(source, file_name=STATE_DICT, folder=_downloads(ctx))
    if place.kind == "url":
        return _url(replace(config, url=source), ctx)
    if place.kind == "hub":
        return _hub(replace(config, repo_id=source), ctx)
    return _file(replace(config, path=str(place.path)), ctx)


_LOCATED: Mapping[str, Callable[[CheckpointConfig, Context], Origin]] = {
    "miniature": _trained,
    "train": _trained,
    "dora": _dora,
    "file": _file,
    "url": _url,
    "hub": _hub,
    "auto": _auto,
}


def _downloads(ctx: Context) -> Path:
    return sources.downloads_in(ctx.run.outputs)


def _sha256(config: CheckpointConfig) -> str | None:
    return config.sha256.lower() if config.sha256 else None

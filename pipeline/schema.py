"""What a user may say: one dataclass per config group, with the keys of all its options.

The YAML files under ``config/`` set ``kind`` and the defaults; a key that is not declared here is a
mistake and gets an error. ``MISSING`` stands for what the user must give; an option that does not
need it writes ``null``. ``KEYS_OF_KIND`` says which keys an option uses: the others never count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf


@dataclass
class CheckpointConfig:
    """Where the weights come from."""

    kind: str = MISSING
    sig: str | None = MISSING
    dora_dir: str | None = MISSING
    path: str | None = MISSING
    url: str | None = MISSING
    sha256: str | None = None
    repo_id: str | None = MISSING
    revision: str = "main"
    source: str | None = MISSING
    package: str | None = MISSING
    python: str | None = None
    overrides: list[str] = field(default_factory=list)
    epoch: Any = None  # a whole number; in a sweep, before it is expanded, also all, best:3 ...
    state: str = "auto"
    where: str | None = None


@dataclass
class CompressionConfig:
    """Which compression model goes with the language model."""

    kind: str = MISSING
    pretrained: str | None = MISSING
    sig: str | None = None
    path: str | None = None
    source: str | None = MISSING
    dora_dir: str | None = None
    epoch: int | None = None
    state: str = "auto"


@dataclass
class ExportConfig:
    """How the exported files are written."""

    kind: str = MISSING
    dtype: str = "keep"
    layout: str = "two_file"
    sanitize: bool = True
    allow_nonfinite: bool = False
    config_overrides: dict[str, Any] = field(default_factory=dict)
    audiocraft_version: str = "1.3.0"
    codec: str | None = None
    text_encoder: str | None = None


@dataclass
class ValidateConfig:
    """How much is checked."""

    kind: str = MISSING
    text_encoder: str | None = None
    prompts: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=lambda: [0])
    seconds: float = 5.0
    baseline: str | None = None
    max_regression: float | None = None


@dataclass
class CacheConfig:
    """The local Hub cache."""

    dir: str | None = None


@dataclass
class DryRunConfig:
    """Nothing to set: it only prints."""


@dataclass
class HubConfig:
    """The Hugging Face Hub."""


@dataclass
class PushConfig:
    """Where the release goes; a target is on when its own node is there."""

    repo_id: str = MISSING
    revision: str = "main"
    tag: str | None = None
    private: bool = True
    gated: str | None = None
    message: str | None = None
    endpoint: str | None = None
    pr: bool = False
    move_tag: bool = False
    delete_stale: bool = False
    allow_miniature: bool = False
    allow_all_in_one: bool = False
    dry_run: DryRunConfig | None = None
    cache: CacheConfig | None = None
    hub: HubConfig | None = None


@dataclass
class ExpectConfig:
    """What the release claims to be; validate compares."""

    solver: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    codec: str | None = None


@dataclass
class CardConfig:
    """The facts of the model card that no checkpoint knows."""

    path: str | None = None
    title: str | None = None
    description: str | None = None
    license: str | None = None
    language: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    base_model: str | None = None
    datasets: list[str] = field(default_factory=list)


@dataclass
class PackageConfig:
    """What else goes into the release folder."""

    samples: bool = False


@dataclass
class SelectConfig:
    """Which variants of a sweep are published, and what ranks them."""

    kind: str = MISSING
    metric: str = "valid.ce"
    mode: str = "min"
    allow_failed: bool = False


@dataclass
class PipelineConfig:
    """The whole request."""

    name: str = MISSING
    version: str = MISSING
    outputs: str = "outputs"
    formats: list[str] = field(default_factory=lambda: ["audiocraft"])
    stages: list[str] = field(default_factory=list)
    from_stage: str | None = None
    until_stage: str | None = None
    force: str | None = None
    plan_only: bool = False
    strict: bool = False
    device: str = "auto"
    lock_timeout: float = 3600.0
    expect: ExpectConfig = field(default_factory=ExpectConfig)
    card: CardConfig = field(default_factory=CardConfig)
    package: PackageConfig = field(default_factory=PackageConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    compression: CompressionConfig = field(default_factory=CompressionConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    validate: ValidateConfig = field(default_factory=ValidateConfig)
    push: PushConfig = field(default_factory=PushConfig)
    select: SelectConfig = field(default_factory=SelectConfig)
    stage: dict[str, Any] = field(default_factory=dict)


_STATE = ("epoch", "state")
KEYS_OF_KIND: dict[str, dict[str, tuple[str, ...]]] = {
    "checkpoint": {
        "miniature": _STATE,
        "train": ("package", "overrides", *_STATE),
        "dora": ("sig", "dora_dir", *_STATE),
        "file": ("path", "sha256", *_STATE),
        "url": ("url", "sha256", *_STATE),
        "hub": ("repo_id", "revision", *_STATE),
        "auto": ("source", "dora_dir", *_STATE),
    },
    "compression": {
        "auto": ("dora_dir", *_STATE),
        "reference": ("pretrained",),
        "trained": ("sig", "path", "dora_dir", *_STATE),
        "bundle": ("source",),
    },
}
"""For the groups with options: the keys, beside ``kind``, that each option uses."""


OPEN = ("export.config_overrides", "expect.config")
"""Nodes whose keys are a user's own: dotted keys of xp.cfg."""


def register() -> None:
    """Make the schema known to Hydra as ``schema``, the first entry of the defaults list."""
    schema = OmegaConf.structured(PipelineConfig)
    for key in OPEN:
        OmegaConf.set_struct(OmegaConf.select(schema, key), False)
    ConfigStore.instance().store(name="schema", node=schema)

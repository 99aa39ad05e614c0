"""The name of a variant: a label for people and a short hash of all that can change its bytes.

The same request always gets the same name, from a single run and from a sweep.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path, PurePosixPath
from typing import Any, cast
from urllib.parse import urlsplit

from omegaconf import DictConfig, OmegaConf

from pipeline.manifest import digest
from pipeline.paths import SIGNATURE, bare_signature
from pipeline.schema import (
    KEYS_OF_KIND,
    CardConfig,
    CheckpointConfig,
    CompressionConfig,
    ExportConfig,
    PackageConfig,
)

INCOMPLETE = "_incomplete"
"""The variant of a request that still misses something."""

REQUIRED: dict[str, dict[str, tuple[str, ...]]] = {
    "checkpoint": {
        "train": ("package",),
        "dora": ("sig", "dora_dir"),
        "file": ("path",),
        "url": ("url",),
        "hub": ("repo_id",),
        "auto": ("source",),
    },
    "compression": {"reference": ("pretrained",), "bundle": ("source",)},
}
"""What each option cannot do without."""

_OF_TRANSFORMERS = ("codec", "text_encoder")
"""What counts only when transformers is among the formats."""

_PATHS = ("path", "dora_dir")
_MAYBE_PATHS = ("source", *_OF_TRANSFORMERS)


def missing(cfg: DictConfig) -> list[str]:
    """Name the keys that this request still needs, dotted."""
    needed = ["name", "version"]
    for group, kinds in REQUIRED.items():
        needed += [f"{group}.{key}" for key in kinds.get(str(cfg[group].kind), ())]
    return [key for key in needed if OmegaConf.select(cfg, key) is None]


def slug(text: str) -> str:
    """Keep ``[A-Za-z0-9._-]``; a run of anything else becomes one dash."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "_"


def source_label(checkpoint: DictConfig) -> str:
    """Name where the weights come from: signature, file stem, repository name."""
    kind = checkpoint.kind
    if kind == "dora":
        return bare_signature(str(checkpoint.sig))
    if kind == "train":
        return str(checkpoint.package).rpartition(".")[2]
    if kind == "hub":
        return str(checkpoint.repo_id).rpartition("/")[2]
    if kind in ("file", "url", "auto"):
        text = str(checkpoint[{"file": "path", "url": "url", "auto": "source"}[kind]])
        text = text.removeprefix(SIGNATURE)
        path = PurePosixPath(urlsplit(text).path if "://" in text else text)
        generic = path.stem in ("checkpoint", "state_dict") and path.parent.name
        return f"{path.parent.name}-{path.stem}" if generic else path.stem or "source"
    return str(kind)


def label(cfg: DictConfig) -> str:
    """Join source, epoch, state and dtype."""
    epoch, state = cfg.checkpoint.epoch, cfg.checkpoint.state
    parts = [source_label(cfg.checkpoint)]
    if epoch is not None:
        parts.append(f"epoch{epoch}")
    if state != "auto" or epoch is None:
        parts.append("best" if state == "auto" else state)
    return slug("-".join([*parts, cfg.export.dtype]))


def _absolute(text: str, base: Path) -> str:
    return str(base / os.path.expanduser(text))


def _chosen(node: DictConfig, keys: Iterable[str], schema: type, base: Path) -> dict[str, Any]:
    """Give the keys that count and differ from the schema's defaults, paths made absolute."""
    plain = cast(dict[str, Any], OmegaConf.to_container(node, resolve=True))
    defaults = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.structured(schema)))
    chosen: dict[str, Any] = {}
    for key in keys:
        value = plain[key]
        if key == "sig" and value is not None:
            value = f"{SIGNATURE}{bare_signature(str(value))}"
        elif key in _PATHS and value is not None:
            value = _absolute(value, base)
        elif key in _MAYBE_PATHS and (base / str(value)).exists():
            value = _absolute(str(value), base)
        if value != defaults.get(key):
            chosen[key] = value
    return chosen


def request_hash(cfg: DictConfig, base: Path) -> str:
    """Hash what can change the bytes of a release; relative paths start at ``base``."""

    def grouped(name: str, schema: type) -> dict[str, Any]:
        kind = str(cfg[name].kind)
        return {"kind": kind} | _chosen(cfg[name], KEYS_OF_KIND[name][kind], schema, base)

    def whole(name: str, schema: type, but: Sequence[str] = ()) -> dict[str, Any]:
        keys = [f.name for f in fields(schema) if f.name not in but]
        return _chosen(cfg[name], keys, schema, base)

    formats = sorted(str(name) for name in cfg.formats)
    # The default leaves no trace: what was released before keeps its folder.
    wanted = {} if formats == ["audiocraft"] else {"formats": formats}
    unused = ("allow_nonfinite", *(() if "transformers" in formats else _OF_TRANSFORMERS))
    return digest(
        {
            **wanted,
            "version": cfg.version,
            "checkpoint": grouped("checkpoint", CheckpointConfig),
            "compression": grouped("compression", CompressionConfig),
            "export": whole("export", ExportConfig, but=unused),
            "card": whole("card", CardConfig),
            "package": whole("package", PackageConfig),
        }
    )


def variant_name(cfg: DictConfig, base: Path) -> str:
    """Give the folder name of this request's run, or `INCOMPLETE`."""
    if missing(cfg):
        return INCOMPLETE
    return f"{label(cfg)}-{request_hash(cfg, base)[:6]}"

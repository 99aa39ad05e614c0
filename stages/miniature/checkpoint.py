"""Checkpoints as AudioCraft's solver writes them: its keys, and equal bytes for equal runs.

A pickle remembers which strings are one object, so equal states can have different bytes; and a
path given to ``torch.save`` gets into the archive. Both are taken out here.
"""

from __future__ import annotations

import copy
import io
import os
import sys
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.base import ContainerMetadata, Metadata
from omegaconf.nodes import AnyNode

from pipeline import files

LAST = "checkpoint.th"


def epoch_name(epoch: int) -> str:
    """Name the checkpoint of one epoch, counted from 1."""
    return f"checkpoint_{epoch}.th"


def save(state: Mapping[str, Any], folder: Path, epoch: int, keep: bool) -> None:
    """Write ``checkpoint.th``, and first ``checkpoint_<epoch>.th`` when it is to be kept.

    Each is whole or absent, so a kill between any two steps leaves something to resume from.
    """
    config = copy.deepcopy(state["xp.cfg"])
    OmegaConf.clear_cache(config)  # holds the time that Hydra's ${now:} gave
    # Through memory: torch replaces the error of a full disk with one about positions in a file.
    archive = io.BytesIO()
    torch.save(interned({**state, "xp.cfg": config}), archive)
    ready = folder / f".{LAST}.tmp"
    ready.unlink(missing_ok=True)  # may be a second name of an epoch's file, left by a kill
    try:
        with ready.open("wb") as file:
            file.write(archive.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        if keep:
            kept = folder / epoch_name(epoch)
            files.replace_file(ready, kept)
            files.link(kept, ready)
        files.replace_file(ready, folder / LAST)
    finally:
        ready.unlink(missing_ok=True)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint back; nothing in its pickle can run."""
    allowed: list[Any] = [
        *(DictConfig, ListConfig, AnyNode, ContainerMetadata, Metadata, Any),
        *(dict, list, int, OrderedDict),
        # torch sets items only on types that it knows, and defaultdict is none of them
        (_plain, "collections.defaultdict"),
    ]
    with torch.serialization.safe_globals(allowed):
        state: dict[str, Any] = torch.load(path, weights_only=True)
    return state


def _plain(factory: object = None) -> dict[Any, Any]:
    return {}


def interned(value: Any) -> Any:
    """Rebuild a state so that equal strings in it are one object, wherever they came from."""
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        fresh = copy.copy(value)  # keeps the type, defaultdict's factory and torch's _metadata
        fresh.clear()
        fresh.update((interned(k), interned(v)) for k, v in value.items())
        return fresh
    if isinstance(value, list):
        return [interned(item) for item in value]
    return value

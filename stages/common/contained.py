"""What a file is made of: values by dotted key, and tensors by name, whatever its format.

Checkpoints, exported models and references, safetensors and JSON are looked into. Nothing but
their heads is read; whoever wants a tensor reads it while the file is open.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from pipeline.errors import FormatError
from pipeline.layout import RELEASE_JSON
from stages.common import one_file
from stages.common.checkpoint import Checkpoint
from stages.common.claims import MAX_TEXT
from stages.common.experiment_folder import experiment_of
from stages.common.history import best_epoch, valid_json
from stages.common.metrics import EpochMetrics
from stages.common.state_choice import choose_state
from stages.common.states import states_in
from stages.common.stored import Tensor
from stages.common.tensor_file import TensorFile
from stages.common.told_metrics import ToldMetrics
from stages.common.value_changes import flat
from stages.common.verification import PICKLES
from stages.common.xp_yaml import config_in

AUTO = "auto"
CONFIG = "xp.cfg"


@dataclass(frozen=True)
class Contained:
    """The content of a file.

    Attributes:
        values: by dotted key; those of a training config begin with ``xp.cfg``.
        tensors: by name; of a training checkpoint those of one state.
        told: what that is, for people: ``best state of epoch 12``.
        family: ``lm`` or ``compression``, of a model.
        metrics: by which the epoch was judged, of a training checkpoint.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    told: str = ""
    family: str | None = None
    metrics: ToldMetrics = field(default_factory=ToldMetrics)


def transparent(name: str) -> bool:
    """Tell by its name whether a file can be looked into."""
    return name.lower().endswith((*PICKLES, ".safetensors", ".json"))


@contextmanager
def contained(path: Path, name: str, state: str = AUTO) -> Iterator[Contained]:
    """Open a file and give what is in it, for as long as the block runs.

    Args:
        path: where it is.
        name: of the file in its release; a downloaded one may have another on disk.
        state: which of a checkpoint's states; ``auto`` is what a release would take.

    Raises:
        FormatError: when it cannot be read, or is not what its name says.
        SourceError: when it has no such state.
    """
    if name.lower().endswith(".json"):
        yield Contained(_json(path, name))
    elif name.lower().endswith(".safetensors"):
        with TensorFile.open(path) as file:
            yield Contained(tensors=file.tensors)
    else:
        with Checkpoint.open(path) as checkpoint:
            yield _model(checkpoint, _epoch_of(path), state)


def _json(path: Path, name: str) -> Mapping[str, Any]:
    try:
        if path.stat().st_size > MAX_TEXT:
            raise ValueError("it is too long")
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0][:80]
        raise FormatError(f"{name} cannot be read: {reason}.", str(path)) from error
    if name == RELEASE_JSON and isinstance(found, dict):  # its files are compared themselves
        found = {key: value for key, value in found.items() if key != "files"}
    return flat(found)


def _epoch_of(path: Path) -> int | None:
    """Give the epoch that an experiment's own checkpoint is of, by its name."""
    experiment = experiment_of(path.parent)
    epochs = {p.absolute(): n for n, p in experiment.checkpoints.items()} if experiment else {}
    return epochs.get(path.absolute())


def _model(checkpoint: Checkpoint, epoch: int | None, asked: str) -> Contained:
    values, tensors = _package(checkpoint.root), dict[str, Tensor]()
    inside = checkpoint.root.get(one_file.WEIGHTS)
    if isinstance(inside, Mapping) and "best_state" in inside:
        codec = states_in(checkpoint.archive, inside, "exported", False)["best"]
        values |= {f"{one_file.WEIGHTS}.{key}": value for key, value in _package(inside).items()}
        tensors |= {f"{one_file.WEIGHTS}.{key}": held for key, held in codec.tensors.items()}
    if checkpoint.pretrained is not None:
        return Contained(values, tensors, f"the name {checkpoint.pretrained}", checkpoint.family)
    exported = checkpoint.form == "exported"
    state = choose_state(checkpoint, AUTO if exported else asked, None if exported else epoch)
    reached = checkpoint.epochs or epoch
    if state.name == "best":
        reached = best_epoch(checkpoint.history)
    return Contained(
        values,
        dict(state.tensors) | tensors,
        "exported"
        if exported
        else f"{state.name} state" + (f" of epoch {reached}" if reached else ""),
        checkpoint.family,
        ToldMetrics.of_epoch(EpochMetrics.of(checkpoint.history, reached)),
    )


def _package(root: Mapping[str, Any]) -> dict[str, Any]:
    """Give the values of a model's dict: its config, and what is neither that nor a container."""
    plain = {
        str(key): valid_json(value)
        for key, value in root.items()
        if key != CONFIG and isinstance(value, str | int | float | bool | None)
    }
    if CONFIG not in root:
        return plain
    config = valid_json(OmegaConf.to_container(config_in(root[CONFIG]), resolve=False))
    return plain | {f"{CONFIG}.{key}": value for key, value in flat(config).items()}

"""One file with a model in it, as far as it can be told without loading it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.errors import FormatError, SourceError
from stages.common import one_file
from stages.common.architecture import Architecture
from stages.common.archive import Archive
from stages.common.best import Best, best_of
from stages.common.checkpoint import Checkpoint, State
from stages.common.contents import Content, contents_of
from stages.common.history import epochs_in, valid_json
from stages.common.licenses import parent_license
from stages.common.lineage import base_model
from stages.common.remains import Remains
from stages.common.states import mapping_in, states_in
from stages.common.xp_yaml import config_in

CODEC_STATE = "codec"
"""How the weights of the codec inside an ``all_in_one.pt`` are called here."""


@dataclass(frozen=True)
class TensorRow:
    """One tensor, for the list."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True)
class Weights:
    """One set of weights.

    Attributes:
        name: ``best``, ``ema``, ``last``; ``codec`` for the one inside an ``all_in_one.pt``.
        key: where in the file it is.
        epoch: that it comes from, where the file says so.
        parameters: how many numbers it has.
        dtypes: how many tensors there are of each dtype.
        bytes: that its tensors take.
        tensors: all of them where they were asked for, else none.
    """

    name: str
    key: str
    epoch: int | None
    parameters: int
    dtypes: Mapping[str, int]
    bytes: int
    tensors: tuple[TensorRow, ...] = ()

    @classmethod
    def of(cls, state: State, epoch: int | None, listed: bool) -> Weights:
        """Describe a state; with all its tensors where they are to be listed."""
        rows = (
            TensorRow(name, ref.dtype, tuple(ref.shape), ref.nbytes)
            for name, ref in state.tensors.items()
        )
        return cls(
            state.name,
            state.key,
            epoch,
            state.parameters,
            state.dtypes,
            state.nbytes,
            tuple(rows) if listed else (),
        )


@dataclass(frozen=True)
class ModelFile:
    """What a file holds.

    Attributes:
        path: where it is, absolute.
        size: in bytes.
        form: ``training``, ``exported``, ``all_in_one``, ``reference``; ``legacy`` for one in
            torch's form from before 1.6; ``unreadable`` for one that is no checkpoint to us.
        whole: whether it has all that its beginning promises.
        family: ``lm`` or ``compression``.
        version: the AudioCraft version whose format an exported file has.
        signature: of the experiment that trained it.
        architecture: by its config.
        epochs: how many had been trained; 0 where the file does not say.
        best: the best epoch.
        history: the metrics of every epoch, as JSON can hold them.
        states: the sets of weights that can be released.
        shards: names of those of which it has one rank's share.
        contents: what its size is made of.
        keys: the names of all that is in it.
        codec: the codec that its config names; of an ``all_in_one.pt``, the name it refers to.
        base_model: the public model that its run went on from.
        base_license: the license that is kept by whatever descends from that.
        pretrained: the name in a reference.
    """

    path: Path
    size: int
    form: str
    whole: bool = True
    family: str | None = None
    version: str | None = None
    signature: str | None = None
    architecture: Architecture | None = None
    epochs: int = 0
    best: Best | None = None
    history: tuple[Mapping[str, Any], ...] = ()
    states: tuple[Weights, ...] = ()
    shards: tuple[str, ...] = ()
    contents: tuple[Content, ...] = ()
    keys: tuple[str, ...] = ()
    codec: str | None = None
    base_model: str | None = None
    base_license: str | None = None
    pretrained: str | None = None

    @classmethod
    def of(cls, checkpoint: Checkpoint, tensors: Collection[str] = ()) -> ModelFile:
        """Describe an open file; with all tensors of the states named in ``tensors``."""
        root, config = checkpoint.root, checkpoint.config
        found = _of_root(checkpoint.archive.path, checkpoint.form, root)
        epochs = {"best": found.best.epoch if found.best else None}
        states = tuple(
            Weights.of(state, epochs.get(name, checkpoint.epochs or None), name in tensors)
            for name, state in checkpoint.states.items()
        )
        together, shards = _joined_ranks(checkpoint, tensors)
        joined = one_file.REFERENCE in root or one_file.WEIGHTS in root
        base = base_model(checkpoint.setting("continue_from"))
        return replace(
            found,
            form="all_in_one" if joined and not checkpoint.pretrained else checkpoint.form,
            family=checkpoint.family,
            architecture=Architecture.of(config) if config else None,
            states=(*states, *together, *_codec_inside(checkpoint, tensors)),
            shards=shards,
            codec=_codec(checkpoint),
            base_model=base,
            base_license=parent_license(base) if base else None,
            pretrained=checkpoint.pretrained,
        )


def remains_of(path: Path, tensors: Collection[str] = ()) -> ModelFile:
    """Describe a file that is no checkpoint: cut off, of one rank, without a config, unsafe."""
    try:
        with Archive.open(path) as archive:
            return _without_model(path, mapping_in(archive.root, path))
    except FormatError:
        pass
    try:
        with Remains.open(path) as remains:
            return replace(_promised(remains, tensors), whole=False)
    except FormatError:
        return ModelFile(path, path.stat().st_size, "unreadable")


def _promised(remains: Remains, tensors: Collection[str]) -> ModelFile:
    root = mapping_in(remains.root, remains.path)
    try:
        return ModelFile.of(Checkpoint(remains), tensors)
    except FormatError:
        return _without_model(remains.path, root)


def _without_model(path: Path, root: Mapping[str, Any]) -> ModelFile:
    found = _of_root(path, "unreadable", root)
    try:
        config = config_in(root.get("xp.cfg"))
    except FormatError:
        return found
    return replace(found, architecture=Architecture.of(config) if config else None)


def _of_root(path: Path, form: str, root: Mapping[str, Any]) -> ModelFile:
    """Describe what any dict tells, with or without a model in it."""
    history = epochs_in(root.get("history"))
    signature, version = root.get("xp.sig"), root.get("version")
    return ModelFile(
        path,
        path.stat().st_size,
        form,
        signature=signature if isinstance(signature, str) else None,
        version=version if isinstance(version, str) else None,
        epochs=len(history),
        best=best_of(history),
        history=tuple(valid_json(history)),
        contents=contents_of(root),
        keys=tuple(str(key) for key in root),
    )


def _codec(checkpoint: Checkpoint) -> str | None:
    if checkpoint.family != "lm":
        return None
    named = checkpoint.root.get(one_file.REFERENCE)
    named = named or checkpoint.setting("compression_model_checkpoint")
    return str(named) if named else None


def _joined_ranks(
    checkpoint: Checkpoint, tensors: Collection[str]
) -> tuple[list[Weights], tuple[str, ...]]:
    """Give the states that the files of all ranks make up, and the names of those they do not."""
    together, apart = [], []
    for name in checkpoint.shards:
        try:
            state = checkpoint.state(name)
        except (SourceError, FormatError):
            apart.append(name)
            continue
        found = Weights.of(state, checkpoint.epochs or None, name in tensors)
        together.append(
            replace(found, key=f"{state.key}, of {len(checkpoint.shard_digests) + 1} ranks")
        )
    return together, tuple(apart)


def _codec_inside(checkpoint: Checkpoint, tensors: Collection[str]) -> tuple[Weights, ...]:
    """Give the codec's weights in an ``all_in_one.pt``."""
    codec = checkpoint.root.get(one_file.WEIGHTS)
    if not isinstance(codec, Mapping) or "best_state" not in codec:
        return ()
    state = states_in(checkpoint.archive, codec, "exported", False)["best"]
    found = Weights.of(state, None, CODEC_STATE in tensors)
    return (replace(found, name=CODEC_STATE, key=one_file.WEIGHTS),)

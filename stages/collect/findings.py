"""What is in the checkpoint that a request leads to: the facts of ``source.json``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import SourceError
from pipeline.schema import CheckpointConfig
from stages.collect.origins import Origin
from stages.common.checkpoint import Checkpoint, State
from stages.common.experiments import PREFIX
from stages.common.history import best_epoch, valid_json
from stages.common.lineage import base_model, is_public, never_averaged
from stages.common.request_line import override
from stages.common.state_choice import choose_state

_MINIATURE_NODE = "synthetic"
"""The node of xp.cfg that only the embedded example has."""


@dataclass(frozen=True)
class Finding:
    """What is in a checkpoint, and what of it is released.

    Attributes:
        facts: the content of ``source.json``.
        local: what only this machine may know of it.
        history: its metrics, as JSON can hold them.
        warnings: what a person should know about the choice.
    """

    facts: dict[str, Any]
    local: dict[str, Any]
    history: list[dict[str, Any]]
    warnings: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The choice in a few words."""
        epoch = self.facts["epoch"]
        state = f"{self.facts['state']} state"
        if "shards" in self.facts:
            state += f", from the shards of {len(self.facts['shards']) + 1} ranks,"
        return state if epoch is None else f"{state} of epoch {epoch}"


def examine(
    path: Path, origin: Origin, config: CheckpointConfig, *, digest: bool = False
) -> Finding:
    """Open a checkpoint and choose what to release of it.

    Args:
        path: the file.
        origin: where the request found it.
        config: the request.
        digest: whether to have ``state_digest`` even where weights have to be read for it.

    Raises:
        FormatError: when it is damaged, not safe, or no checkpoint.
        SourceError: when it is not what was asked for; says what it is.
    """
    with Checkpoint.open(path) as checkpoint:
        _demand_asked(checkpoint, origin, config)
        state = choose_state(checkpoint, config.state, config.epoch)
        epoch = _epoch(checkpoint, state, config)
        codec = checkpoint.setting("compression_model_checkpoint")
        codec = str(codec) if codec and checkpoint.family == "lm" else None
        public = codec is None or is_public(codec)
        facts: dict[str, Any] = {
            **origin.facts,
            "kind": origin.kind,
            "signature": checkpoint.signature,
            "family": checkpoint.family,
            "form": checkpoint.form,
            "solver": checkpoint.solver,
            "epoch_asked": config.epoch,
            "epochs": checkpoint.epochs,
            "epoch": epoch,
            "state": state.name,
            "state_key": state.key,
            "parameters": state.parameters,
            "dtypes": state.dtypes,
            "bytes": state.nbytes,
            "codec": codec if public else None,
            "base_model": base_model(checkpoint.setting("continue_from")),
            "miniature": origin.miniature or checkpoint.setting(_MINIATURE_NODE) is not None,
            "archive": checkpoint.archive.directory_digest,
        }
        if digest or state.digest_known:
            facts["state_digest"] = state.digest()
        if checkpoint.shard_digests:
            facts["shards"] = list(checkpoint.shard_digests)
        return Finding(
            facts,
            {} if public else {"codec": codec},
            valid_json(checkpoint.history),
            tuple(_warnings(checkpoint, state, epoch, config)),
        )


def _demand_asked(checkpoint: Checkpoint, origin: Origin, config: CheckpointConfig) -> None:
    where = str(checkpoint.archive.path)
    if checkpoint.pretrained is not None:
        raise SourceError(
            f"There are no weights in it, only the name {checkpoint.pretrained}.",
            where,
            "As a codec: compression=reference "
            f"{override('compression.pretrained', checkpoint.pretrained)}",
        )
    if origin.signature is not None and checkpoint.signature != origin.signature:
        raise SourceError(
            f"The checkpoint is of the experiment {checkpoint.signature}, not {origin.signature}.",
            where,
            f"To release it all the same: checkpoint=file {override('checkpoint.path', where)}",
        )
    # A run may leave the history out of the epochs' own files (checkpoint.keep_every_states).
    if config.epoch is not None and checkpoint.epochs not in (0, config.epoch):
        raise SourceError(
            f"The checkpoint is of epoch {checkpoint.epochs}, not {config.epoch}.",
            where,
            f"Take it as it is, checkpoint.epoch=null, or the run: checkpoint=dora checkpoint.sig="
            f"{PREFIX}{checkpoint.signature}",
        )


def _epoch(checkpoint: Checkpoint, state: State, config: CheckpointConfig) -> int | None:
    """Give the epoch that the weights come from, as far as the file tells."""
    if checkpoint.form == "exported":
        return None
    if state.name == "best":
        return best_epoch(checkpoint.history)
    return checkpoint.epochs or config.epoch


def _warnings(
    checkpoint: Checkpoint, state: State, epoch: int | None, config: CheckpointConfig
) -> list[str]:
    warnings = []
    if config.epoch is not None and state.name == "best":
        reached = f", reached at epoch {epoch}" if epoch else ""
        warnings.append(f"the weights are the best up to epoch {config.epoch}{reached}")
    if never_averaged(checkpoint.root) and state.name in ("best", "ema"):
        warnings.append(
            "the averaged weights were never updated, so these are those that training began "
            "with: see optim.ema.updates; checkpoint.state=last takes the trained ones"
        )
    return warnings

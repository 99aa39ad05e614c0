"""Which of a checkpoint's sets of weights a request means."""

from __future__ import annotations

from difflib import get_close_matches

from pipeline.errors import SourceError
from stages.common.checkpoint import STATES, Checkpoint, State


def choose_state(
    checkpoint: Checkpoint, asked: str, epoch: int | None, group: str = "checkpoint"
) -> State:
    """Choose the weights to release.

    Args:
        checkpoint: the file.
        asked: ``best``, ``ema``, ``last``, or ``auto``: without an epoch best; with one, what that
            epoch was judged on, which is ``ema`` if the file has one, else ``last``.
        epoch: the epoch that was asked for, if any.
        group: the config group that asks, for the hints.

    Raises:
        SourceError: when the file does not have them; says what it has.
    """
    where, choices = str(checkpoint.archive.path), ("auto", *STATES)
    if asked not in choices:
        near = get_close_matches(asked, choices, 1)
        hint = f"Did you mean {group}.state={near[0]}? " if near else ""
        what = f"{group}.state={asked}: there is no such choice."
        raise SourceError(what, hint=hint + ", ".join(choices))
    if checkpoint.pretrained is not None:
        raise SourceError(f"There are no weights, only the name {checkpoint.pretrained}.", where)
    if checkpoint.form == "exported" and epoch is not None:
        raise SourceError(
            f"An exported file has no epochs, so there is no epoch {epoch} of it.",
            where,
            f"{group}.epoch=null takes it as it is; the checkpoint of the run has epochs.",
        )
    name = asked
    if asked == "auto":
        judged = "ema" if "ema" in {**checkpoint.states, **checkpoint.shards} else "last"
        name = "best" if epoch is None else judged
    if name not in {**checkpoint.states, **checkpoint.shards}:
        there = [*checkpoint.states, *checkpoint.shards]
        raise SourceError(
            f"The checkpoint has no {name} state.",
            where,
            f"It has {', '.join(there)}: {group}.state={there[0]}",
        )
    return checkpoint.state(name)

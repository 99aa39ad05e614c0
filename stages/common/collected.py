"""The collected checkpoint, as the stages after collect see it."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import SourceError
from pipeline.stage import Context
from stages.common.checkpoint import Checkpoint, State


def is_codec(ctx: Context) -> bool:
    """Tell whether a codec was collected; what is not known yet counts as a language model."""
    return ctx.facts("collect").get("family") == "compression"


def path_of(ctx: Context) -> Path | None:
    """Give the checkpoint's file, by its own name and not by that of the link to it.

    Before collect ran it is the one that will be taken, if that is known.
    """
    if "collect" in ctx.records:
        return file_of(ctx)
    known = ctx.local("collect").get("path")
    return Path(known) if known else None


def file_of(ctx: Context) -> Path:
    """Give the file that collect links to; its own where one in torch's old form was rewritten."""
    made = ctx.run.collect.checkpoint
    return made.readlink() if made.is_symlink() else made


def codec_of(ctx: Context) -> str | None:
    """Give the ``compression_model_checkpoint`` of a collected language model, paths included."""
    codec = ctx.local("collect").get("codec") or ctx.facts("collect").get("codec")
    return str(codec) if codec else None


def state_of(ctx: Context, checkpoint: Checkpoint) -> State:
    """Give the state that collect chose.

    Raises:
        SourceError: when the file is no longer the one that was collected: a trainer may still
            be at work on it.
    """
    facts = ctx.facts("collect")
    changed = facts.get("archive") not in (None, checkpoint.archive.directory_digest)
    if not changed:
        state = checkpoint.state(facts["state"])
        changed = tuple(facts.get("shards", ())) != checkpoint.shard_digests
    if changed:
        raise SourceError(
            "The checkpoint is not the one that was collected: it has changed since.",
            str(checkpoint.archive.path),
            "Collect it again: force=collect",
        )
    return state

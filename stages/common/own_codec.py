"""An own codec's file, opened: the state that is released, and where it is from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline import files
from pipeline.errors import FormatError, SourceError
from pipeline.layout import COMPRESSION
from pipeline.stage import Context
from stages.common import collected, downloads, legacy, sources
from stages.common.archive import Archive, is_zip
from stages.common.checkpoint import Checkpoint, State
from stages.common.codec_choice import Bundle, Choice, Collected, Trained
from stages.common.history import best_epoch
from stages.common.request_line import override
from stages.common.state_choice import choose_state


@dataclass(frozen=True)
class OwnCodec:
    """An open codec, the state of it that is released, and the epoch that state is from."""

    checkpoint: Checkpoint
    state: State
    epoch: int | None


@contextmanager
def opened(ctx: Context, choice: Choice | None, path: Path) -> Iterator[OwnCodec]:
    """Open a codec's file and choose the state.

    Raises:
        SourceError: when it is not what was asked for.
        FormatError: when it is no codec at all.
    """
    with Checkpoint.open(path) as checkpoint:
        if checkpoint.pretrained is not None:
            raise SourceError(
                f"There are no weights in the file, only the name {checkpoint.pretrained}.",
                str(path),
                "Use the name: compression=reference "
                f"{override('compression.pretrained', checkpoint.pretrained)}",
            )
        if checkpoint.family != "compression":
            raise FormatError(
                "The checkpoint is not a codec's: it holds a language model.",
                str(path),
                "Give a codec: compression.sig=//sig/SIG, compression.path or compression.source",
            )
        state = _state(ctx, choice, checkpoint, path)
        epoch = best_epoch(checkpoint.history) if state.name == "best" else checkpoint.epochs
        if isinstance(choice, Collected):
            epoch = ctx.facts("collect").get("epoch")
        yield OwnCodec(checkpoint, state, epoch or None)


def _state(ctx: Context, choice: Choice | None, checkpoint: Checkpoint, path: Path) -> State:
    if isinstance(choice, Collected):
        return collected.state_of(ctx, checkpoint)
    if isinstance(choice, Bundle):
        if checkpoint.form != "exported":
            raise SourceError(
                "The codec is the checkpoint of a training run, not an exported one.",
                str(path),
                f"Export it on the way: compression=trained {override('compression.path', path)}",
            )
        return choose_state(checkpoint, "auto", None, "compression")
    if not isinstance(choice, Trained):
        raise SourceError("There is no codec to open.", str(path))
    if choice.signature not in (None, checkpoint.signature):
        raise SourceError(
            f"The checkpoint is of the experiment {checkpoint.signature}, not {choice.signature}.",
            str(path),
        )
    if choice.epoch is not None and checkpoint.epochs not in (0, choice.epoch):
        raise SourceError(
            f"The codec's checkpoint is of epoch {checkpoint.epochs}, not {choice.epoch}.",
            str(path),
            "Take it as it is: compression.epoch=null",
        )
    return choose_state(checkpoint, choice.state, choice.epoch, "compression")


def fetched(bundle: Bundle, ctx: Context) -> Path:
    """Download an exported codec, unless it is here."""
    with ctx.progress.task(downloads.shown(bundle.source)) as task:
        return sources.resolve(
            bundle.source,
            file_name=COMPRESSION,
            folder=sources.downloads_in(ctx.run.outputs),
            advance=task.advance,
        )


@contextmanager
def current(path: Path | None, folder: Path) -> Iterator[Path]:
    """Give the file in today's form; one in the old form is converted for as long as needed."""
    if path is None:
        raise SourceError("The codec's checkpoint is not known.", hint="Run collect first.")
    if is_zip(path):
        yield path
        return
    converted = folder / "converted.th"
    try:
        legacy.convert(path, converted)
        yield converted
    finally:
        files.remove(converted)


def content_of(path: Path) -> str:
    """Recognise a codec's content: by its archive's directory, or whole in the old form."""
    if not is_zip(path):
        return files.file_digest(path).sha256
    with Archive.open(path) as archive:
        return archive.directory_digest

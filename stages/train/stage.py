"""The train stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipeline import files
from pipeline.layout import TrainFolder
from pipeline.manifest import pretty
from pipeline.schema import CheckpointConfig
from pipeline.stage import Context, Facts, Plan, Problem, Record
from stages.train.experiment import Training, begun
from stages.train.lock import hold
from stages.train.plain import plain_name
from stages.train.process import Program
from stages.train.request import Request


class Train:
    """Trains the experiment that a release is to be made from.

    The experiment lives in ``<outputs>/dora``, shared by all releases. The stage's own folder gets
    ``xp.json`` and a symlink to the last checkpoint, and one to that of the codec that was trained
    for it, so that the stage no longer counts as done when somebody removes an experiment.
    """

    name = "train"
    version = 1
    inputs: Sequence[str] = ()
    always = False

    def __init__(self, config: CheckpointConfig) -> None:
        """Take where the checkpoint comes from; only some kinds are trained."""
        self.config = config

    @cached_property
    def request(self) -> Request | None:
        """What is to be trained; ``None`` when the weights come from elsewhere."""
        return Request.of(self.config)

    def check(self, ctx: Context) -> list[Problem]:
        """Find a package that is not there, and overrides that cannot be read."""
        return [] if self.request is None else self.request.problems()

    def plan(self, ctx: Context) -> Plan:
        """Tell what is left to train, without asking the package, which takes seconds."""
        request, dora_dir = self.request, ctx.run.outputs.dora
        if request is None:
            return Plan("nothing to train: the checkpoint is there", needed=False)
        outlooks = []
        if request.codec is not None:
            outlooks.append(Outlook.on(request.codec, dora_dir))
            request = request.on(outlooks[0].signature or "")
        outlooks.append(Outlook.on(request, dora_dir))
        left = [outlook for outlook in outlooks if not outlook.complete] or outlooks[-1:]
        sizes = [outlook.size for outlook in left if outlook.size is not None]
        return Plan(
            "; ".join(str(outlook) for outlook in left),
            sum(sizes) or None,
            facts={"package": request.package},
            local={"dora_dir": str(dora_dir)},
        )

    def key(self, ctx: Context) -> Facts:
        """Give package and overrides; the miniature's overrides hold the digest of its code."""
        if self.request is None:
            return {}
        return {"package": self.request.package, "overrides": list(self.request.overrides)}

    def run(self, ctx: Context) -> Record:
        """Bring the experiment to its last epoch, or wait for whoever does; its codec first."""
        request, dora_dir = self.request, ctx.run.outputs.dora
        if request is None:
            return Record()
        dora_dir.mkdir(parents=True, exist_ok=True)
        left = TrainFolder(ctx.folder)
        with plain_name(dora_dir) as folder:
            if request.codec is not None:
                codec = _trained(ctx, Program(request.codec, folder))
                left.codec.symlink_to(codec.checkpoint)
                request = request.on(codec.signature)
            training = _trained(ctx, Program(request, folder))
        place = training.folder.relative_to(ctx.run.outputs.root).as_posix()
        files.write_text(left.xp, pretty({"signature": training.signature, "folder": place}))
        left.checkpoint.symlink_to(training.checkpoint)
        return Record(
            facts={"signature": training.signature, "package": request.package},
            local={"folder": str(training.folder), "dora_dir": str(training.dora_dir)},
        )


@dataclass(frozen=True)
class Outlook:
    """What is left of one experiment, told without asking its package, which takes seconds.

    Attributes:
        request: what was asked for.
        known: what an earlier run began of it.
    """

    request: Request
    known: Training | None

    @classmethod
    def on(cls, request: Request, dora_dir: Path) -> Outlook:
        """Look what is there."""
        known = begun(dora_dir, request.package, request.overrides, request.epochs)
        return cls(request, known)

    @property
    def signature(self) -> str | None:
        """Dora's name for it, where that is known."""
        return None if self.known is None else self.known.signature

    @property
    def complete(self) -> bool:
        """Tell whether nothing is left to train."""
        return self.known is not None and self.known.complete

    @property
    def size(self) -> int | None:
        """Bytes that training will write, where that is known."""
        return None if self.complete else self.request.size

    def __str__(self) -> str:
        """Say it in a few words."""
        request, known = self.request, self.known
        if known is not None and known.complete:
            return f"experiment {known.signature} is complete"
        if known is not None and known.history and known.checkpoint.is_file():
            return f"resume {known.signature} at epoch {len(known.history) + 1}"
        epochs = "" if request.epochs is None else f", {request.epochs} epochs"
        return f"train {request.name}{epochs}"


def _trained(ctx: Context, program: Program) -> Training:
    """Bring one experiment to its last epoch."""
    training, package = program.training(ctx.run.outputs.dora), program.request.package
    with hold(training.lock, package, _waiting(ctx, training)) as lock:
        if training.complete:
            ctx.progress.note(f"experiment {training.signature} is complete")
        else:
            program.train(training, lock, ctx.progress)
    return training


def _waiting(ctx: Context, training: Training) -> Callable[[str], None]:
    def note(holder: str) -> None:
        ctx.progress.note(f"{holder} trains experiment {training.signature}: waiting for it")

    return note

"""The train stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    ``xp.json`` and a symlink to the last checkpoint, so that the stage no longer counts as done
    when somebody removes the experiment.
    """

    name = "train"
    version = 1
    inputs: Sequence[str] = ()
    always = False

    def __init__(self, config: CheckpointConfig) -> None:
        """Take where the checkpoint comes from; only some kinds are trained."""
        self.request = Request.of(config)

    def check(self, ctx: Context) -> list[Problem]:
        """Find a package that is not there, and overrides that cannot be read."""
        return [] if self.request is None else self.request.problems()

    def plan(self, ctx: Context) -> Plan:
        """Tell what is left to train, without asking the package, which takes seconds."""
        request = self.request
        if request is None:
            return Plan("nothing to train: the checkpoint is there", needed=False)
        facts = {"package": request.package}
        local = {"dora_dir": str(ctx.run.outputs.dora)}
        known = begun(ctx.run.outputs.dora, request.package, request.overrides, request.epochs)
        size = request.size
        epochs = "" if request.epochs is None else f", {request.epochs} epochs"
        summary = f"train {request.package}{epochs}"
        if known is not None and known.complete:
            summary, size = f"experiment {known.signature} is complete", None
        elif known is not None and known.history:
            summary = f"resume {known.signature} at epoch {len(known.history) + 1}"
        return Plan(summary, size, facts=facts, local=local)

    def key(self, ctx: Context) -> Facts:
        """Give package and overrides; the miniature's overrides hold the digest of its code."""
        if self.request is None:
            return {}
        return {"package": self.request.package, "overrides": list(self.request.overrides)}

    def run(self, ctx: Context) -> Record:
        """Bring the experiment to its last epoch, or wait for whoever does."""
        request, dora_dir = self.request, ctx.run.outputs.dora
        if request is None:
            return Record()
        dora_dir.mkdir(parents=True, exist_ok=True)
        with plain_name(dora_dir) as folder:
            program = Program(request, folder)
            training = program.training(dora_dir)
            with hold(training.lock, request.package, _waiting(ctx, training)) as lock:
                if training.complete:
                    ctx.progress.note(f"experiment {training.signature} is complete")
                else:
                    program.train(training, lock, ctx.progress)
        return self._record(ctx, request.package, training)

    def _record(self, ctx: Context, package: str, training: Training) -> Record:
        place = training.folder.relative_to(ctx.run.outputs.root).as_posix()
        left = TrainFolder(ctx.folder)
        files.write_text(left.xp, pretty({"signature": training.signature, "folder": place}))
        left.checkpoint.symlink_to(training.checkpoint)
        return Record(
            facts={"signature": training.signature, "package": package},
            local={"folder": str(training.folder), "dora_dir": str(training.dora_dir)},
        )


def _waiting(ctx: Context, training: Training) -> Callable[[str], None]:
    def note(holder: str) -> None:
        ctx.progress.note(f"{holder} trains experiment {training.signature}: waiting for it")

    return note

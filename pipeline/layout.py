"""Where things are: the folders of a run and of a release, one property per file.

Nobody joins these names anywhere else. The shape of the tree is in ``outputs/README.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STATE_DICT = "state_dict.bin"
COMPRESSION = "compression_state_dict.bin"
ALL_IN_ONE = "all_in_one.pt"
RELEASE_JSON = "release.json"
SHA256SUMS = "SHA256SUMS"
CARD = "README.md"
SAMPLES = "samples"
SAMPLES_LIST = "samples.json"
"""In a folder of samples; it says of each its digest."""
STAGE_JSON = "stage.json"


@dataclass(frozen=True)
class Outputs:
    """The folder that all runs share."""

    root: Path

    @property
    def dora(self) -> Path:
        """The Dora folder of experiments that the train stage ran."""
        return self.root / "dora"

    @property
    def hub(self) -> Path:
        """The local Hub cache that ``push=cache`` publishes to."""
        return self.root / "hub"

    def sweep(self, name: str) -> Path:
        """What the jobs of one sweep tell its driver, and what they print elsewhere."""
        return self.root / ".sweeps" / name


@dataclass(frozen=True)
class TrainFolder:
    """What train leaves."""

    root: Path

    @property
    def xp(self) -> Path:
        """Signature and folder of the experiment."""
        return self.root / "xp.json"

    @property
    def checkpoint(self) -> Path:
        """A symlink to the experiment's last checkpoint; dangling when that was removed."""
        return self.root / "checkpoint.th"

    @property
    def codec(self) -> Path:
        """A symlink to the last checkpoint of the codec, where that was trained for this."""
        return self.root / "codec.th"


@dataclass(frozen=True)
class CollectFolder:
    """What collect leaves."""

    root: Path

    @property
    def checkpoint(self) -> Path:
        """A symlink to the checkpoint (a file only where a legacy one had to be converted)."""
        return self.root / "checkpoint.th"

    @property
    def source(self) -> Path:
        """Where the weights come from; no local path."""
        return self.root / "source.json"

    @property
    def history(self) -> Path:
        """The training history: a list with one dict of sections per epoch."""
        return self.root / "history.json"


@dataclass(frozen=True)
class ExportFolder:
    """What export_lm and export_compression leave, and the weights in a release folder."""

    root: Path

    @property
    def state_dict(self) -> Path:
        """The exported language model."""
        return self.root / STATE_DICT

    @property
    def compression(self) -> Path:
        """The exported compression model, or a reference to one."""
        return self.root / COMPRESSION


@dataclass(frozen=True)
class TransformersFolder:
    """What export_transformers leaves beside the weights and the tokenizer."""

    root: Path

    @property
    def config(self) -> Path:
        """What the model is."""
        return self.root / "config.json"

    @property
    def generation(self) -> Path:
        """How it generates when it is told nothing else."""
        return self.root / "generation_config.json"

    @property
    def processor(self) -> Path:
        """How audio comes in and goes out."""
        return self.root / "preprocessor_config.json"


@dataclass(frozen=True)
class ValidateFolder:
    """What validate leaves."""

    root: Path

    @property
    def report(self) -> Path:
        """Every check with its verdict and remedy."""
        return self.root / "report.json"

    @property
    def samples(self) -> Path:
        """Generated audio, where there is any."""
        return self.root / SAMPLES


@dataclass(frozen=True)
class ReleaseFolder(ExportFolder):
    """A release: exactly what is pushed."""

    @property
    def all_in_one(self) -> Path:
        """Both models in one file, instead of the two."""
        return self.root / ALL_IN_ONE

    @property
    def manifest(self) -> Path:
        """What the release is and where it comes from."""
        return self.root / RELEASE_JSON

    @property
    def sums(self) -> Path:
        """The digests of the reproducible core."""
        return self.root / SHA256SUMS

    @property
    def card(self) -> Path:
        """The model card."""
        return self.root / CARD

    @property
    def samples(self) -> Path:
        """Generated audio, where it was asked for."""
        return self.root / SAMPLES


@dataclass(frozen=True)
class PushFolder:
    """What push leaves."""

    root: Path

    @property
    def receipt(self) -> Path:
        """What was published where."""
        return self.root / "receipt.json"

    @property
    def card(self) -> Path:
        """The card that went out, where it was not the release's own."""
        return self.root / "README.md"


@dataclass(frozen=True)
class ReleaseRuns:
    """All variants of one release: ``outputs/<release>/``."""

    root: Path

    @property
    def name(self) -> str:
        """The release."""
        return self.root.absolute().name

    @property
    def runs(self) -> tuple[Run, ...]:
        """The run of every variant, by name; none when there is no such folder.

        A folder in which a run has not begun its work is no variant yet.
        """
        if not self.root.is_dir():
            return ()
        outputs = Outputs(self.root.absolute().parent)
        runs = [Run(folder, outputs) for folder in sorted(self.root.iterdir())]
        return tuple(run for run in runs if run.config.is_file() or run.result.is_file())

    @property
    def locks(self) -> Path:
        """The folder of all locks of this release."""
        return self.root / ".locks"

    @property
    def lock(self) -> Path:
        """The lock of the board; a variant's name never begins with a dot."""
        return self.locks / ".board.lock"

    @property
    def board_json(self) -> Path:
        """Every variant side by side, for programs."""
        return self.root / "board.json"

    @property
    def board_md(self) -> Path:
        """The same as a table, for a chat or a README."""
        return self.root / "board.md"

    @property
    def board_html(self) -> Path:
        """The same as a page, with the sounds."""
        return self.root / "board.html"


@dataclass(frozen=True)
class Run:
    """One variant of one release: ``outputs/<release>/<variant>/``."""

    root: Path
    outputs: Outputs

    def stage(self, name: str) -> Path:
        """The folder of a stage, with its ``stage.json``."""
        return self.root / name

    def record(self, name: str) -> Path:
        """The manifest of a finished stage; its presence means done."""
        return self.stage(name) / STAGE_JSON

    def output(self, name: str) -> Path:
        """Where a stage's files end up: its folder, but ``release/`` for package."""
        return self.release.root if name == "package" else self.stage(name)

    def working(self, name: str) -> Path:
        """Where a stage writes until it is complete."""
        output = self.output(name)
        return output.with_name(f"{output.name}.tmp")

    def failed(self, name: str) -> Path:
        """What a stage that failed had written, for people to look at."""
        return self.root / f"{name}.failed"

    @property
    def siblings(self) -> ReleaseRuns:
        """All variants of this release, this one too."""
        return ReleaseRuns(self.root.parent)

    @property
    def train(self) -> TrainFolder:
        """The output of train."""
        return TrainFolder(self.output("train"))

    @property
    def collect(self) -> CollectFolder:
        """The output of collect."""
        return CollectFolder(self.output("collect"))

    @property
    def export_lm(self) -> ExportFolder:
        """The output of export_lm."""
        return ExportFolder(self.output("export_lm"))

    @property
    def export_compression(self) -> ExportFolder:
        """The output of export_compression."""
        return ExportFolder(self.output("export_compression"))

    @property
    def export_transformers(self) -> TransformersFolder:
        """The output of export_transformers."""
        return TransformersFolder(self.output("export_transformers"))

    @property
    def validate(self) -> ValidateFolder:
        """The output of validate."""
        return ValidateFolder(self.output("validate"))

    @property
    def release(self) -> ReleaseFolder:
        """The release, the output of package."""
        return ReleaseFolder(self.root / "release")

    @property
    def push(self) -> PushFolder:
        """The output of push."""
        return PushFolder(self.output("push"))

    @property
    def lock(self) -> Path:
        """The lock that keeps two runs out of one folder."""
        return self.siblings.locks / f"{self.root.name}.lock"

    @property
    def config(self) -> Path:
        """The resolved config, for people."""
        return self.root / "config.yaml"

    @property
    def overrides(self) -> Path:
        """What was typed, one override a line."""
        return self.root / "overrides.txt"

    @property
    def log(self) -> Path:
        """The log of every run in this folder."""
        return self.root / "run.log"

    @property
    def result(self) -> Path:
        """Times, host, versions and outcome of the last run, for people."""
        return self.root / "run.json"

    @property
    def page(self) -> Path:
        """The last run as a page, for people."""
        return self.root / "report.html"

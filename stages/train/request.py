"""What is to be trained: a Dora package with its overrides."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException
from omegaconf import OmegaConf

from pipeline.paths import expanded
from pipeline.schema import CheckpointConfig
from pipeline.stage import Problem
from stages.common.experiments import PREFIX
from stages.train.packages import problem_with

MINIATURE = "stages.miniature"
CODEC = "solver=compression"
"""What makes a training run one of a codec, in AudioCraft as in the miniature."""
MINIATURE_BYTES = 19_100_000
"""Three checkpoints of 6.3 MB; ``checkpoint.th`` is one of them under a second name."""
CODEC_BYTES = 2_200_000
"""The one checkpoint of the miniature's codec."""
PLACES = ("dora.dir", "hydra.run.dir", "hydra.sweep.dir")
"""Keys that would move the experiment away from where the pipeline looks for it."""


@dataclass(frozen=True)
class Request:
    """A training run that somebody asked for.

    Attributes:
        package: the Python package whose ``train.py`` holds a Dora ``main``.
        overrides: what follows ``dora run --``.
        folder: the working directory of the run; its packages come first.
        python: the interpreter of the environment that the package is in.
        epochs: how many the request says, or ``None`` when only the package knows.
        size: bytes that the experiment takes, or ``None`` when that is not known.
        codec: what has to be trained first, for the language model to be trained on.
    """

    package: str
    overrides: tuple[str, ...]
    folder: Path
    python: Path = Path(sys.executable)
    epochs: int | None = None
    size: int | None = None
    codec: Request | None = None

    @classmethod
    def of(cls, config: CheckpointConfig) -> Request | None:
        """Read the request; ``None`` when the weights come from elsewhere.

        Raises:
            ConfigError: when ``python`` begins with the home of a user who is not known here.
        """
        if config.kind == "miniature":
            return _miniature()
        if config.kind == "train":
            asked = tuple(config.overrides)
            # Not the package's own folder: what people type is relative to where they are.
            python = _interpreter(config.python)
            return cls(config.package or "", asked, Path.cwd(), python, _epochs_in(asked))
        return None

    @property
    def name(self) -> str:
        """What is trained, in the words that people see."""
        return f"the codec of {self.package}" if CODEC in self.overrides else self.package

    def on(self, signature: str) -> Request:
        """Ask for the language model now that its codec is trained."""
        follow = f"compression_model_checkpoint={PREFIX}{signature}"
        return replace(self, overrides=(*self.overrides, follow), codec=None)

    def problems(self) -> list[Problem]:
        """Find what would keep the run from starting, without importing the package."""
        found = problem_with(self.package, self.folder, self.python)
        wrong = (problem_in(override) for override in self.overrides)
        return [problem for problem in (found, *wrong) if problem is not None]


def problem_in(override: str) -> Problem | None:
    """Tell what is wrong with one of the overrides."""
    where = f"checkpoint.overrides: {override}"
    try:
        (parsed,) = OverridesParser.create().parse_overrides([override])
    except OverrideParseException as error:
        reason = str(error).splitlines()[0]
        return Problem(f"An override cannot be read: {reason}", where, "Write it as key=value.")
    if parsed.is_delete() or parsed.is_sweep_override():
        what = "One experiment takes one value per key: no sweep, no deletion."
        return Problem(what, where, "Sweep over checkpoint.overrides itself, with -m.")
    if parsed.key_or_group in PLACES:
        what = f"{parsed.key_or_group} does not move an experiment: it goes to <outputs>/dora."
        return Problem(what, where, "Leave it out, or choose another folder: outputs=/path")
    return None


def _interpreter(asked: str | None) -> Path:
    """Give an interpreter's path: from the working directory, or by its name from ``PATH``."""
    if asked is None:
        return Path(sys.executable)
    named = expanded(asked)
    # Not resolved: the link is how an interpreter knows its virtual environment.
    return Path.cwd() / (shutil.which(named) or named)


def _epochs_in(overrides: Sequence[str]) -> int | None:
    values = [o.partition("=")[2] for o in overrides if o.startswith("optim.epochs=")]
    return int(values[-1]) if values and values[-1].isdecimal() else None


def _miniature() -> Request:
    """Ask for the embedded models, in a version of their own for every state of their code.

    Dora's signature covers only what differs from a package's defaults. Without a label, changed
    training code would find the old experiment complete; and so would any other package that is
    run without overrides, because all of those share one signature.
    """
    folder = Path(__file__).parents[1] / "miniature"
    label = f"label=miniature-{sources_digest(folder)[:8]}"

    def epochs(solver: str) -> int:
        config = OmegaConf.load(folder / f"config/solver/{solver}.yaml")
        return int(OmegaConf.select(config, "optim.epochs"))

    codec = Request(
        MINIATURE, (label, CODEC), folder.parents[1], epochs=epochs("compression"), size=CODEC_BYTES
    )
    return Request(
        MINIATURE, (label,), folder.parents[1], epochs=epochs("musicgen"), size=MINIATURE_BYTES,
        codec=codec,
    )  # fmt: skip


def sources_digest(folder: Path) -> str:
    """Give the sha256, in hex, of all code and config below ``folder``."""
    hasher = hashlib.sha256()
    paths = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*")}
    for name in sorted(name for name in paths if name.endswith((".py", ".yaml"))):
        content = paths[name].read_bytes()
        hasher.update(f"{name} {len(content)}\n".encode() + content)
    return hasher.hexdigest()

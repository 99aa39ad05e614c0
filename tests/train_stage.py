"""The train stage in a process of its own: ``-m tests.train_stage OUTPUTS PACKAGE X=Y...``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.layout import Outputs, Run
from pipeline.schema import CheckpointConfig
from pipeline.stage import SILENT, Context, Progress, Record
from stages.train import Train

ROOT = Path(__file__).resolve().parents[1]


def context(outputs: Path, name: str = "v", progress: Progress = SILENT) -> Context:
    """Give a fresh working folder of the stage, for the variant ``name``."""
    run = Run(outputs / "release" / name, Outputs(outputs))
    folder = run.working("train")
    folder.mkdir(parents=True, exist_ok=True)
    return Context(run, folder, progress=progress)


def train(ctx: Context, package: str, overrides: Sequence[str]) -> Record:
    """Run the stage."""
    config = CheckpointConfig(kind="train", package=package, overrides=list(overrides))
    return Train(config).run(ctx)


def start(
    outputs: Path,
    package: str,
    overrides: Sequence[str],
    environment: Mapping[str, str] | None = None,
    umask: int = -1,
) -> subprocess.Popen[bytes]:
    """Run the stage in another process, under settings that are its own."""
    command = [sys.executable, "-m", "tests.train_stage", str(outputs), package, *overrides]
    settings = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    return subprocess.Popen(command, env=settings, umask=umask)


if __name__ == "__main__":
    train(context(Path(sys.argv[1])), sys.argv[2], sys.argv[3:])

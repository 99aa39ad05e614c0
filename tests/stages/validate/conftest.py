"""Candidates for a release, made from small experiments."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.layout import COMPRESSION, STATE_DICT, Outputs, Run
from stages.common.checkpoint import Checkpoint
from tests.candidates import Candidate
from tests.experiments import (
    write_encodec_experiment,
    write_exported,
    write_lm_experiment,
    write_reference,
)


@pytest.fixture(scope="session")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An LM, its codec, and what AudioCraft exports from both."""
    root = tmp_path_factory.mktemp("experiments")
    lm = write_lm_experiment(root, epochs=1) / "checkpoint.th"
    codec = write_encodec_experiment(root, epochs=1) / "checkpoint.th"
    write_exported(root / STATE_DICT, lm)
    write_exported(root / COMPRESSION, codec)
    return root


def digest(checkpoint: Path) -> str:
    """Give the digest of a checkpoint's best state."""
    with Checkpoint.open(checkpoint) as opened:
        return opened.states["best"].digest()


def archive(checkpoint: Path) -> str:
    """Give what recognises a checkpoint's content."""
    with Checkpoint.open(checkpoint) as opened:
        return opened.archive.directory_digest


@pytest.fixture
def candidate(experiments: Path, tmp_path: Path) -> Candidate:
    """A genuine pair of files, in a folder with an ugly name."""
    outputs = tmp_path / "out puts 'ü'"
    run = Run(outputs / "small" / "variant", Outputs(outputs))
    for folder, name in (
        (run.export_lm.root, STATE_DICT),
        (run.export_compression.root, COMPRESSION),
    ):
        folder.mkdir(parents=True)
        shutil.copy(experiments / name, folder)
    facts: dict[str, dict[str, Any]] = {
        "collect": {"family": "lm", "miniature": False, "state": "best"},
        "export_lm": {"dtype": "keep"},
        "export_compression": {
            "form": "weights",
            "pretrained": None,
            "signature": "98dabcc6",
            "state": "best",
        },
    }
    checkpoints = [experiments / "xps" / sig / "checkpoint.th" for sig in ("1a2b3c4d", "98dabcc6")]
    for stage, checkpoint in zip(("collect", "export_compression"), checkpoints, strict=True):
        facts[stage]["state_digest"] = digest(checkpoint)
    run.collect.root.mkdir()
    run.collect.checkpoint.symlink_to(checkpoints[0])
    local = {"path": str(checkpoints[1]), "archive": archive(checkpoints[1])}
    return Candidate(run, facts, {"export_compression": local})


@pytest.fixture
def codec_alone(candidate: Candidate) -> Candidate:
    """A release of a codec without a language model."""
    shutil.rmtree(candidate.run.export_lm.root)
    facts = candidate.facts["export_compression"]
    candidate.facts["collect"] = {**facts, "family": "compression", "miniature": False}
    candidate.run.collect.checkpoint.unlink()
    candidate.run.collect.checkpoint.symlink_to(candidate.local["export_compression"]["path"])
    del candidate.facts["export_lm"]
    return candidate


@pytest.fixture
def referring(candidate: Candidate) -> Candidate:
    """A release whose codec is a reference."""
    name = "facebook/encodec_32khz"
    write_reference(candidate.run.export_compression.compression, name)
    candidate.facts["export_compression"] = {"form": "reference", "pretrained": name}
    return candidate

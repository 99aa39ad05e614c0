"""A run whose collect stage is done, for real: what the export stages start from."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from pipeline.layout import Outputs, Run
from pipeline.schema import CheckpointConfig, CompressionConfig, ExportConfig
from pipeline.stage import Context, Plan, Problem, Record, Stage
from stages.collect import Collect

NOTHING: dict[str, Any] = {
    "sig": None,
    "dora_dir": None,
    "path": None,
    "url": None,
    "repo_id": None,
    "source": None,
    "package": None,
}


def request(kind: str, **values: Any) -> CheckpointConfig:
    """Give a checkpoint config as the composed option would."""
    return CheckpointConfig(kind=kind, **{**NOTHING, **values})


def compression(kind: str = "auto", **values: Any) -> CompressionConfig:
    """Give a compression config as the composed option would."""
    return CompressionConfig(kind=kind, **{"pretrained": None, "source": None, **values})


def export(**values: Any) -> ExportConfig:
    """Give an export config as the composed option would."""
    return ExportConfig(kind="audiocraft", **values)


@dataclass
class Bench:
    """Runs stages one after the other, as the engine does, with nothing around them."""

    run: Run
    records: dict[str, Record] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)

    @classmethod
    def at(cls, root: Path) -> Bench:
        """Make a bench whose run lives below ``root``."""
        outputs = Outputs(root / "outputs")
        run = Run(outputs.root / "name" / "variant", outputs)
        run.root.mkdir(parents=True)
        return cls(run)

    def context(self, stage: Stage) -> Context:
        """Give what the stage may see."""
        return Context(self.run, self.run.stage(stage.name), dict(self.records), dict(self.plans))

    def check(self, stage: Stage) -> list[Problem]:
        """Check, before any work."""
        return stage.check(self.context(stage))

    def plan(self, stage: Stage) -> Plan:
        """Plan, and keep the plan for the stages after it."""
        self.plans[stage.name] = stage.plan(self.context(stage))
        return self.plans[stage.name]

    def do(self, stage: Stage) -> Record:
        """Run into the stage's own folder, and keep the record."""
        ctx = replace(self.context(stage), folder=self.run.output(stage.name))
        ctx.folder.mkdir(parents=True)
        self.records[stage.name] = stage.run(ctx)
        return self.records[stage.name]


def collected(root: Path, kind: str = "dora", **values: Any) -> Bench:
    """Give a bench on which collect is done."""
    bench = Bench.at(root)
    bench.do(Collect(request(kind, **values)))
    return bench


def load(path: Path) -> dict[str, Any]:
    """Load a file as a careful user would, having made sure that it needs no trust."""
    assert torch.serialization.get_unsafe_globals_in_checkpoint(path) == []
    loaded = torch.load(path, weights_only=True)
    assert isinstance(loaded, dict)
    return loaded


def config_of(path: Path) -> DictConfig:
    """Give an exported file's xp.cfg as AudioCraft reads it."""
    config = OmegaConf.create(load(path)["xp.cfg"])
    assert isinstance(config, DictConfig)
    return config


def source(path: Path) -> dict[str, Any]:
    """Read a checkpoint that a test wrote itself, all of it."""
    package = torch.load(path, weights_only=False, map_location="cpu")
    assert isinstance(package, dict)
    return package


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    """Tell whether two dicts hold the same tensors: names in order, types, values."""
    return list(left) == list(right) and all(
        left[key].dtype == right[key].dtype and torch.equal(left[key], right[key]) for key in left
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of 32 kB; whoever may not mount one skips the test."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting needs root")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)

"""Running the pipeline as a user does: a command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.experiments import write_encodec_experiment, write_lm_experiment

ROOT = Path(__file__).resolve().parents[1]
LM, CODEC = "1a2b3c4d", "98dabcc6"


def quoted(path: Path) -> str:
    """Write a path so that Hydra reads it whatever is in it."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True)
class Place:
    """A folder with experiments to release from, and outputs to release to."""

    root: Path

    @property
    def dora(self) -> Path:
        return self.root / "dora"

    @property
    def outputs(self) -> Path:
        return self.root / "outputs"

    @property
    def request(self) -> list[str]:
        """A complete request: musicgen_small from the experiment `LM`."""
        return [
            "+release=musicgen_small", "checkpoint=dora", f"checkpoint.sig=//sig/{LM}",
            f"checkpoint.dora_dir={quoted(self.dora)}", f"outputs={quoted(self.outputs)}",
        ]  # fmt: skip

    def releases(self) -> list[Path]:
        return sorted(self.outputs.glob("*/*/release"))

    def release(self) -> Path:
        (only,) = self.releases()
        return only

    def run(self) -> Path:
        return self.release().parent


def make_place(root: Path) -> Place:
    """Make experiments: a text-conditioned LM and the EnCodec it was trained on."""
    place = Place(root)
    write_encodec_experiment(place.dora, CODEC)
    write_lm_experiment(place.dora, LM, codec=f"//sig/{CODEC}")
    return place


def command(*arguments: str, module: str = "pipeline") -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def environment(**changes: str) -> dict[str, str]:
    """The environment of a user without settings of their own."""
    drop = ("AUDIOCRAFT_", "HF_", "HYDRA_", "DORA_", "KILL_")
    env = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
    path = os.pathsep.join(filter(None, [str(ROOT), env.get("PYTHONPATH", "")]))
    return {**env, "PYTHONPATH": path, **changes}


def pipeline(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, module: str = "pipeline"
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        command(*arguments, module=module), cwd=cwd, env=dict(env or environment()),
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def faulty(at: str, under: Path) -> dict[str, str]:
    """The environment of a run that is killed at a moment (see faults/sitecustomize.py)."""
    path = os.pathsep.join([str(ROOT / "tests" / "faults"), str(ROOT)])
    return environment(PYTHONPATH=path, KILL_AT=at, KILL_UNDER=str(under))


def tree(folder: Path) -> dict[str, bytes]:
    """Give every file below a folder with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def check_sums(release: Path) -> None:
    """Let coreutils check the release."""
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=release, capture_output=True
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()

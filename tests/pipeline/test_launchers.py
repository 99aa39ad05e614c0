"""Launchers whose extra is installed, and those whose is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import request
from pipeline.launchers import EXTRAS
from tests.command import ROOT, Place, command, environment
from tests.pipeline.compose import composed

PRESETS = sorted(path.stem for path in (request.CONFIG / "hydra" / "launcher").glob("*.yaml"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Path:
    """All installed packages without Hydra's plugins."""
    folder = tmp_path_factory.mktemp("bare")
    for place in [place for place in sys.path if place.endswith("site-packages")]:
        for entry in Path(place).iterdir():
            if entry.name != "hydra_plugins" and not (folder / entry.name).exists():
                (folder / entry.name).symlink_to(entry)
    return folder


def without_extras(bare: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    program, *rest = command(*arguments)
    path = os.pathsep.join([str(ROOT), str(bare)])
    return subprocess.run(
        [program, "-S", *rest], cwd=cwd, env=environment(PYTHONPATH=path), capture_output=True,
        text=True,
    )  # fmt: skip


@pytest.mark.parametrize("launcher", EXTRAS)
def test_a_launcher_without_its_extra_names_it(place: Place, bare, launcher):
    done = without_extras(bare, "-m", *place.request, f"hydra/launcher={launcher}", cwd=place.root)

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error hydra/launcher={launcher} needs the extra '{EXTRAS[launcher]}', "
        "which is not installed.",
        f"pip install '.[{EXTRAS[launcher]}]'",
    ]
    assert not place.outputs.exists()


@pytest.mark.parametrize("arguments", [["--help"], ["-m", "plan_only=true"]], ids=["help", "sweep"])
def test_what_needs_no_extra_works_without_one(place: Place, bare, arguments):
    done = without_extras(bare, *arguments, *place.request, cwd=place.root)
    assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.mark.filterwarnings("ignore:.*is validated against ConfigStore schema")
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_composes_whether_its_extra_is_installed_or_not(preset):
    cfg = composed("+release=musicgen_small", f"hydra/launcher={preset}")
    assert cfg.hydra.launcher._target_.startswith("hydra_plugins.")
    lines = (request.CONFIG / "hydra" / "launcher" / f"{preset}.yaml").read_text().splitlines()
    assert lines[0].startswith("# ") and f"'.[{EXTRAS[preset]}]'" in lines[0]


def test_a_misspelt_launcher_names_the_right_one(place: Place):
    done = subprocess.run(
        command("-m", *place.request, "hydra/launcher=slrm"), cwd=place.root, env=environment(),
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1 and "Did you mean hydra/launcher=slurm?" in done.stderr

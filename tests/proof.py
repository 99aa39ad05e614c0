"""The proof of what a release promises: one experiment, the same SHA256SUMS, whatever is around.

A part of ``make matrix``. Each time the code and the experiment are copied to a place of their own,
and all epochs are released, as AudioCraft and transformers load them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.layout import ReleaseFolder
from tests.command import ROOT, environment, make_place, quoted
from tests.text_encoders import write_t5

CODE = ("pipeline", "stages", "config")
ENCODER = "t5 base"


@dataclass(frozen=True)
class Circumstances:
    """What is around a release that shall not show in it.

    Attributes:
        name: for the table; also of the folder.
        python: the interpreter of an environment.
        launcher: of Hydra; ``None`` for its own, one job after the other.
        umask: of the process, in octal.
        variables: of its environment.
    """

    name: str
    python: Path = Path(sys.executable)
    launcher: str | None = None
    umask: str = "022"
    variables: Mapping[str, str] = field(default_factory=dict)

    def sums(self, origin: Path, root: Path) -> dict[str, str]:
        """Release all epochs; give SHA256SUMS by what was released.

        Args:
            origin: the experiment, its codec, and a T5.
            root: an empty folder.

        Raises:
            subprocess.CalledProcessError: when the releases cannot be made; with what was said.
        """
        for name in CODE:
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(origin, root, dirs_exist_ok=True)
        self._run(
            root, "-c", f"import pipeline; assert pipeline.__file__.startswith({str(root)!r})"
        )
        launcher = [f"hydra/launcher={self.launcher}"] if self.launcher else []
        self._run(
            root, "-m", "pipeline", "-m", "+release=musicgen_small", "checkpoint=dora",
            "checkpoint.sig=//sig/1a2b3c4d", "checkpoint.epoch=1,2",
            f"checkpoint.dora_dir={quoted(root / 'dora')}", "formats=[audiocraft,transformers]",
            f"export.text_encoder={quoted(root / ENCODER)}", "push=none", *launcher,
        )  # fmt: skip
        return dict(_sums_in(root / "outputs"))

    def _run(self, root: Path, *arguments: str) -> None:
        script = f'umask {self.umask}; exec "$@"'
        subprocess.run(
            ["sh", "-c", script, "sh", str(self.python), *arguments],
            cwd=root, env=environment(PYTHONPATH=str(root), **self.variables), check=True,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip


def _sums_in(outputs: Path) -> Iterator[tuple[str, str]]:
    """Give SHA256SUMS by variant, whose hash is of the place and is left out."""
    for folder in sorted(outputs.glob("*/*/release")):
        label = folder.parent.name.rpartition("-")[0]
        yield label, ReleaseFolder(folder).sums.read_text("utf-8")


def write_origin(folder: Path) -> Path:
    """Write what is released: an experiment of two epochs, its codec, and a T5."""
    make_place(folder)
    write_t5(folder / ENCODER)
    return folder


HERE = Circumstances(
    "this place", variables={"PYTHONHASHSEED": "0", "LC_ALL": "C", "OMP_NUM_THREADS": "1"}
)
ELSEWHERE = Circumstances(
    'another place, "día" [1]',
    umask="077",
    variables={
        "PYTHONHASHSEED": "4711",
        "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": "4",
        "TZ": "Asia/Tokyo",
    },
)

"""``python -m tests.matrix``: the tests, and the proof, with other versions of what we build on.

The oldest that ``pyproject.toml`` allows is what its lower bounds say; the newest Hub client is
asked of the package index. Each environment has a folder of its own, named by its versions and kept
for the next time; what it does not name it takes from the environment that this runs in. Then the
same releases are made in another place, with the oldest torch (on Linux one for CUDA: 3 GB to
download, the first time), and by every launcher: their SHA256SUMS have to be the same.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
import venv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from packaging.requirements import Requirement
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.command import ROOT
from tests.proof import ELSEWHERE, HERE, Circumstances, write_origin

FOLDER = ROOT / ".venv-matrix"
CLIENT = "huggingface_hub"
HEAVY = {"dora-search", "torch", "transformers"}
"""Not taken back to their lower bounds: gigabytes to download, for little that a push uses."""
LAUNCHERS = {"joblib": "joblib", "submitit_local": "slurm"}
"""Hydra's launchers, beside its own, that need nothing but the extra that they are in."""
HUB = (
    "tests/hub",
    "tests/stages/push",
    "tests/stages/common/hub",
    "tests/pipeline/test_rollback.py",
    "tests/pipeline/test_verify.py",
    "tests/test_clusters.py",
    "tests/test_tokens.py",
)
ENGINE = (
    "tests/pipeline",
    "tests/test_config.py",
    "tests/stages/common/test_casting.py",
    "tests/stages/common/test_xp_config.py",
)
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


@dataclass(frozen=True)
class Environment:
    """Versions to test with.

    Attributes:
        name: for the table.
        pins: ``name==version``, each.
        tests: what is run.
    """

    name: str
    pins: tuple[str, ...]
    tests: tuple[str, ...] = HUB

    @property
    def folder(self) -> Path:
        """Where it is: another one for other versions, and for another Python below it."""
        named = "\n".join([sys.version, sysconfig.get_path("purelib"), *self.pins])
        digest = hashlib.sha256(named.encode()).hexdigest()[:8]
        return FOLDER / f"{self.name.replace(' ', '-')}-{digest}"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def prepare(self) -> None:
        """Install it, unless it is there.

        Raises:
            subprocess.CalledProcessError: when a version cannot be installed.
        """
        ready = self.folder / "ready"
        if ready.exists():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        venv.create(self.folder, symlinks=True)
        # Before it knows of our packages, or pip would take theirs for installed.
        install = [*PIP, "--python", str(self.python), "install", "--only-binary", "numpy,pyyaml"]
        subprocess.run([*install, *self.pins], check=True)
        paths = {"base": str(self.folder), "platbase": str(self.folder)}
        site = Path(sysconfig.get_path("purelib", vars=paths))
        ours = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
        (site / "ours.pth").write_text(ours)
        ready.touch()

    @property
    def told(self) -> str:
        """Its versions, for the table."""
        return "\n".join(pin.replace("==", " ") for pin in self.pins)

    def run(self, arguments: Sequence[str]) -> Mapping[str, str]:
        """Run its tests; give what JUnit's format says of the whole."""
        report = self.folder / "report.xml"
        report.unlink(missing_ok=True)
        options = ("-p", "no:cacheprovider", f"--junitxml={report}")
        command = [str(self.python), "-m", "pytest", *options, *self.tests, *arguments]
        subprocess.run(command, cwd=ROOT)
        if not report.exists():
            return {"tests": "0", "errors": "1"}
        (suite,) = ElementTree.parse(report).getroot()
        return suite.attrib


def environments() -> list[Environment]:
    """Give what there is to test with."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {need.name: need for need in map(Requirement, project["dependencies"])}
    oldest = {name: _oldest(need) for name, need in needed.items() if name not in HEAVY}
    return [
        Environment("oldest client", (oldest[CLIENT],)),
        Environment("newest client", (_newest(needed[CLIENT]),)),
        Environment("all oldest", tuple(oldest.values()), (*HUB, *ENGINE)),
    ]


def circumstances() -> Iterator[tuple[Circumstances, Environment | None]]:
    """Give what a release is made in, and the environment that has to be there for it."""
    yield from ((each, None) for each in (HERE, ELSEWHERE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {need.name: need for need in map(Requirement, project["dependencies"])}
    oldest = Environment("oldest torch", (_oldest(needed["torch"]),), ())
    yield Circumstances(oldest.name, oldest.python), oldest
    extras = project["optional-dependencies"]
    hydra = [str(needed[name]) for name in ("hydra-core", "omegaconf")]  # or pip takes the newest
    for launcher, extra in LAUNCHERS.items():
        engine = Environment(launcher, (*extras[extra], *hydra), ())
        yield Circumstances(f"launcher {launcher}", engine.python, launcher), engine


def prove(out: Console) -> bool:
    """Make the same releases in all circumstances, and show whether they are; give the verdict."""
    table = Table("circumstances", "versions", box=None, pad_edge=False, header_style="dim")
    for column in ("releases", "seconds"):
        table.add_column(column, justify="right")
    table.add_column("SHA256SUMS")
    expected: Mapping[str, str] = {}
    proven = True
    with tempfile.TemporaryDirectory(prefix="proof-") as place:
        origin = write_origin(Path(place, "origin"))
        for each, environment in circumstances():
            out.print(f"[bold]{escape(each.name)}[/]: the same SHA256SUMS?")
            began = time.monotonic()
            try:
                if environment is not None:
                    environment.prepare()
                root = Path(place, each.name)
                root.mkdir()
                found = each.sums(origin, root)
            except subprocess.CalledProcessError as error:
                out.print(escape(error.stdout or ""), soft_wrap=True)
                found = {}
            expected = expected or found
            same = bool(found) and found == expected
            proven &= same
            table.add_row(
                escape(each.name),
                environment.told if environment else "",
                str(len(found)),
                f"{time.monotonic() - began:.0f}",
                "the same" if same else "[red]others[/]" if found else "[red]none[/]",
            )
    out.print(table)
    return proven


def main(arguments: Sequence[str]) -> int:
    """Test with each, passing the arguments on to pytest, then prove; 1 when something failed."""
    out = Console(highlight=False)
    table = Table("environment", "versions", box=None, pad_edge=False, header_style="dim")
    for column in ("passed", "failed", "skipped", "seconds"):
        table.add_column(column, justify="right")
    failed = False
    for environment in environments():
        out.print(f"[bold]{environment.name}[/]: {', '.join(environment.pins)}", soft_wrap=True)
        began = time.monotonic()
        try:
            environment.prepare()
            said = environment.run(arguments)
        except subprocess.CalledProcessError:  # pip has said why
            said = {"tests": "0", "errors": "1"}
        bad = int(said.get("failures", 0)) + int(said.get("errors", 0))
        skipped = int(said.get("skipped", 0))
        failed |= bad > 0 or said["tests"] == "0"
        table.add_row(
            environment.name,
            environment.told,
            str(max(int(said["tests"]) - bad - skipped, 0)),
            f"[red]{bad}[/]" if bad else "0",
            str(skipped),
            f"{time.monotonic() - began:.0f}",
        )
    out.print(table)
    return 0 if prove(out) and not failed else 1


def _oldest(need: Requirement) -> str:
    (bound,) = [each.version for each in need.specifier if each.operator == ">="]
    return f"{need.name}=={bound}"


def _newest(need: Requirement) -> str:
    look = ("--dry-run", "--ignore-installed", "--no-deps", "--report", "-")
    done = subprocess.run(
        [*PIP, "install", *look, str(need)], check=True, stdout=subprocess.PIPE, text=True
    )
    (found,) = json.loads(done.stdout)["install"]
    return f"{need.name}=={found['metadata']['version']}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""``python -m benchmarks``: measures, prints tables, writes ``benchmarks/results.json``."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from benchmarks import report
from benchmarks.process import ROOT
from benchmarks.push import PushSession
from benchmarks.scales import SCALES
from benchmarks.session import Session
from benchmarks.sweep import SweepSession
from pipeline.console import Terminal
from pipeline.errors import PipelineError
from pipeline.files import write_text

PARTS = ("export", "push", "sweep")
RESULTS = ROOT / "benchmarks" / "results.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give 0, 1 when a limit is missed or it failed, 130 for Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--scale", choices=SCALES, default="full", help="how large a model")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each method")
    parser.add_argument("--folder", type=Path, default=ROOT / "outputs", help="for the large files")
    parser.add_argument("--only", choices=PARTS, help="measure one, and keep the others' results")
    parser.add_argument("--results", type=Path, help="the JSON to write")
    asked = parser.parse_args(arguments)
    # A quick try does not replace the results of a full run.
    quick = ROOT / "outputs" / f"benchmark-{asked.scale}.json"
    path: Path = asked.results or (RESULTS if asked.scale == "full" else quick)
    out = report.console()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        asked.folder.mkdir(parents=True, exist_ok=True)
        scale, repeats = SCALES[asked.scale], max(asked.repeats, 1)
        parts = (asked.only,) if asked.only else PARTS
        exports = pushes = sweeps = None
        if "export" in parts:
            with _large(asked.folder) as folder:
                exports = Session(folder, scale, repeats, out.print).run()
        if "push" in parts:
            with _large(asked.folder) as folder:
                pushes = PushSession(folder, scale, repeats, out.print).measure()
        if "sweep" in parts:
            with _large(asked.folder) as folder:
                sweeps = SweepSession(folder, scale, out.print).measure()
    except PipelineError as error:
        Terminal().error(str(error))
        return 1
    except subprocess.CalledProcessError as error:
        Terminal().error(f"A method failed.\n{' '.join(error.cmd)}")
        return 1
    except KeyboardInterrupt:
        Terminal().error("Interrupted. The large files are removed.")
        return 130
    written = json.loads(path.read_text("utf-8")) if asked.only and path.exists() else {}
    figures = []
    if exports is not None:
        written |= report.as_json(exports)
        report.show(exports, out)
        figures += exports.figures
    if pushes is not None:
        written["push"] = report.pushes_as_json(pushes)
        report.show_pushes(pushes, out)
        figures += pushes.figures
    if sweeps is not None:
        written["sweep"] = report.sweeps_as_json(sweeps)
        report.show_sweeps(sweeps, out)
        figures += sweeps.figures
    write_text(path, json.dumps(written, indent=2) + "\n")
    missed = [figure.name for figure in figures if figure.met is False]
    out.print(f"written: {path}", soft_wrap=True)
    for name in missed:
        out.print(f"[red]missed[/] {name}")
    return 1 if missed else 0


@contextmanager
def _large(where: Path) -> Iterator[Path]:
    """Give an empty folder, removed afterwards with the large files in it."""
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=where) as folder:
        yield Path(folder).absolute()  # each method works in it


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End as Ctrl-C does, or the large files would stay."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

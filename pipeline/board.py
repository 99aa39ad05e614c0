"""``python -m pipeline.board FOLDER``: every variant of a release side by side.

FOLDER is outputs/<release>. Its board.json, board.md and board.html are drawn anew from what the
runs left, and the table is printed. The best is the one that select=best of a sweep would push: the
least or greatest metric of the released epochs, among the variants that are validated.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path

from pipeline import boards, command
from pipeline.errors import ConfigError, OutputError, PipelineError, SourceError
from pipeline.layout import Outputs, ReleaseRuns, Run
from pipeline.variants import Variant

_EXAMPLES = """
examples:
  python -m pipeline.board outputs/musicgen_small
  python -m pipeline.board outputs/musicgen_small --metric evaluate.fad
  python -m pipeline.board outputs/musicgen_small --metric evaluate.text_consistency --mode max
  python -m pipeline.board outputs/musicgen_small --blind --seed 7
  python -m pipeline.board outputs/musicgen_small --json | jq -r .best

exit status: 0 when the board is drawn, whatever is on it; 1 when not; 2 for a wrong command line.
"""


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("board", __doc__, _EXAMPLES)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="outputs/<release>")
    parser.add_argument(
        "--metric", default=boards.METRIC, metavar="SECTION.NAME",
        help=f"by which variants are compared (default: {boards.METRIC})",
    )  # fmt: skip
    parser.add_argument(
        "--mode", choices=("min", "max"), default="min", help="which is the best (default: min)"
    )
    parser.add_argument(
        "--blind", action="store_true", help="hide on the page which sounds are whose"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the blind order (default: 0)"
    )
    parser.add_argument("--json", action="store_true", help="print board.json instead of the table")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit status."""
    from pipeline.board_text import sheet
    from pipeline.console import Terminal, shown
    from stages.common.document import refusal

    asked = _parser().parse_args(arguments)
    terminal = Terminal()
    runs = ReleaseRuns(Path(os.path.abspath(asked.folder)))  # whose name may be a dot or two
    try:
        _demand_variants(runs, shown)
        _demand_metric(boards.board_of(runs.root).variants, asked.metric)
        board = boards.draw(runs.root, asked.metric, asked.mode, blind=asked.blind, seed=asked.seed)
    except (PipelineError, OSError) as error:
        refused = _told(error)
        terminal.error(str(refused))
        if asked.json:
            terminal.raw(json.dumps(refusal(str(asked.folder), refused), indent=2))
        return 1
    if asked.json:
        terminal.raw(runs.board_json.read_text(encoding="utf-8").rstrip("\n"))
    else:
        terminal.sheet(sheet(board, shown(runs.board_html)))
    return 0


def _told(error: PipelineError | OSError) -> PipelineError:
    if isinstance(error, PipelineError):
        return error
    where = str(error.filename or "")
    return OutputError.from_os(error, where) or SourceError.from_os(error)


def _demand_variants(runs: ReleaseRuns, shown: Callable[[Path], str]) -> None:
    """Refuse a folder that is not that of a release."""
    if runs.runs:
        return
    folder = runs.root
    if not folder.is_dir():
        names = [path.name for path in folder.parent.glob("*/")]
        near = get_close_matches(folder.name, names, 1)
        hint = f"Did you mean {shown(folder.with_name(near[0]))}?" if near else "Give outputs/NAME."
        raise SourceError("There is no such folder.", shown(folder), hint)
    own = Run(folder, Outputs(folder.parent))
    below = [path for path in sorted(folder.glob("*/")) if ReleaseRuns(path).runs]
    if own.config.is_file():
        hint = f"It is a variant; give its release: {shown(folder.parent)}"
    elif below:
        hint = f"Give one of its releases: {', '.join(map(shown, below[:4]))}"
    else:
        hint = "python -m pipeline +release=NAME makes one, in outputs/NAME."
    raise SourceError("There is no variant of a release in it.", shown(folder), hint)


def _demand_metric(variants: Sequence[Variant], metric: str) -> None:
    """Refuse a metric that no variant has, while they have others."""
    known = {name: None for variant in variants for name in variant.metrics}
    if not known or metric in known:
        return
    near = get_close_matches(metric, known, 1)
    # A training has its section twice, and is judged by the other.
    ordered = sorted(known, key=lambda name: (name.startswith("train."), name))
    shown = ", ".join([*ordered[:12], *(["..."] if len(ordered) > 12 else [])])
    told = f"Did you mean {near[0]}?" if near else f"There are: {shown}"
    raise ConfigError(f"--metric {metric}: no variant has it at its released epoch.", hint=told)


if __name__ == "__main__":
    sys.exit(command.interruptible(main))

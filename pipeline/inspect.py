"""``python -m pipeline.inspect WHAT``: what it is, what a release of it would be, what is wrong.

WHAT is a checkpoint, an exported file, a release, a folder, a signature, an address or a Hub id.
Nothing is loaded and nothing in a pickle is run; a checkpoint of any size takes less than a second.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline import command
from pipeline.errors import PipelineError, SourceError
from pipeline.layout import Outputs
from pipeline.paths import expanded

STATES = ("best", "ema", "last", "codec")

_EXAMPLES = """
examples:
  python -m pipeline.inspect //sig/9370b59c          an experiment in AUDIOCRAFT_DORA_DIR
  python -m pipeline.inspect checkpoint.th           a training checkpoint
  python -m pipeline.inspect /path/to/dora           every experiment, a line each
  python -m pipeline.inspect outputs/musicgen_small/VARIANT    a run, or its release
  python -m pipeline.inspect facebook/musicgen-small --revision main
  python -m pipeline.inspect checkpoint.th --tensors --state best
  python -m pipeline.inspect checkpoint.th --json | jq '.problems[].what'

exit status: 0 when it can be released, or is a release; 1 when something keeps it from that, or
nothing is there (with --json, "error" then says why); 2 when the command line is not understood.
"""


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("inspect", __doc__, _EXAMPLES)
    parser.add_argument("what", metavar="WHAT", help="//sig/SIG, a file, a folder, a URL, a Hub id")
    parser.add_argument(
        "--dora-dir",
        type=Path,
        default=os.environ.get("AUDIOCRAFT_DORA_DIR"),
        metavar="FOLDER",
        help="the folder that holds xps (default: AUDIOCRAFT_DORA_DIR)",
    )
    parser.add_argument(
        "--outputs",
        type=Path,
        default=Path("outputs"),
        metavar="FOLDER",
        help="where runs write, downloads from URLs too (default: outputs)",
    )
    parser.add_argument(
        "--revision", default="main", metavar="NAME", help="branch, tag or commit of a Hub id"
    )
    parser.add_argument("--tensors", action="store_true", help="list every tensor")
    parser.add_argument("--state", choices=STATES, help="list those of this state only")
    parser.add_argument("--json", action="store_true", help="one JSON document, for programs")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit status."""
    from pipeline.console import Terminal
    from stages.common.document import document, refusal
    from stages.common.inspection import Question
    from stages.common.inspection_sheet import sheet, tensor_sheet
    from stages.common.inspector import inspect

    asked = _parser().parse_args(arguments)
    listed = {asked.state} if asked.state else set(STATES) if asked.tensors else set()
    terminal = Terminal()
    try:
        question = Question(
            asked.what,
            asked.dora_dir and expanded(asked.dora_dir),
            Outputs(expanded(asked.outputs)),
            asked.revision,
            frozenset(listed),
        )
        found = inspect(question, terminal.aside())
        states = [state.name for model in found.models for state in model.states]
        if asked.state and asked.state not in states:
            raise SourceError(
                f"There is no {asked.state} state in it.",
                str(found.path),
                f"There is {', '.join(dict.fromkeys(states)) or 'none at all'}.",
            )
    except (PipelineError, OSError) as error:
        refused = error if isinstance(error, PipelineError) else SourceError.from_os(error)
        if asked.json:
            terminal.raw(json.dumps(refusal(asked.what, refused), indent=2))
        else:
            terminal.error(str(refused))
        return 1
    if asked.json:
        terminal.raw(json.dumps(document(found), indent=2, allow_nan=False))
    else:
        terminal.sheet(tensor_sheet(found) if listed else sheet(found))
    return 0 if found.sound else 1


if __name__ == "__main__":
    sys.exit(command.interruptible(main))

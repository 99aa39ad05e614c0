"""``python -m pipeline.experiments [DORA_DIR]``: the experiments there are, a line each.

What each is, how far it came and how good it is, by its config and history: no checkpoint is read.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline import command
from pipeline.errors import ConfigError, PipelineError, SourceError
from pipeline.layout import Outputs
from pipeline.paths import expanded

_EXAMPLES = """
examples:
  python -m pipeline.experiments                       those in AUDIOCRAFT_DORA_DIR
  python -m pipeline.experiments /path/to/dora --sort valid.ce
  python -m pipeline.experiments --sort -epochs        the longest first
  python -m pipeline.experiments --where 'valid.ce < 3.2 and complete and not released'
  python -m pipeline.experiments --where 'solver == "musicgen" and size > 1e9'
  python -m pipeline.experiments --json | jq -r '.experiments[].signature'

values, for --sort and --where:
  signature, solver, size (parameters), epochs, planned, best (by AudioCraft's measure), best_epoch,
  checkpoints (files), disk (bytes), codec, base_model, progress, complete, running, interrupted,
  fsdp, released (how often), and the metrics of the best epoch: valid.ce, train.ppl, ...
  Where an experiment has no such value, a comparison is false, and it is sorted last.

progress: running means that something was written in the last ten minutes, or for as long as two
of its epochs take; interrupted, that nothing was; FSDP, that it is trained in shards.

exit status: 0; 1 when there is no such folder; 2 for a condition or value that makes no sense.
"""


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("experiments", __doc__, _EXAMPLES)
    parser.add_argument(
        "dora_dir",
        type=Path,
        nargs="?",
        default=os.environ.get("AUDIOCRAFT_DORA_DIR") or None,
        metavar="DORA_DIR",
        help="the folder that holds xps (default: AUDIOCRAFT_DORA_DIR, else that in outputs)",
    )
    parser.add_argument(
        "--sort", metavar="KEY", help="by a value, from the least; -KEY from the greatest"
    )
    parser.add_argument("--where", metavar="CONDITION", help="only those that fulfil it")
    parser.add_argument(
        "--outputs",
        type=Path,
        default=Path("outputs"),
        metavar="FOLDER",
        help="where runs write, to tell what has been released (default: outputs)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document, for programs")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit status."""
    from pipeline.console import Terminal
    from stages.common.document import refusal
    from stages.common.experiment_list import list_experiments
    from stages.common.experiment_sheet import document, sheet

    asked = _parser().parse_args(_joined(sys.argv[1:] if arguments is None else arguments))
    terminal = Terminal()
    try:
        folder = asked.dora_dir and expanded(asked.dora_dir)
        outputs = Outputs(expanded(asked.outputs))
        found = list_experiments(folder, outputs, asked.where, asked.sort)
    except (PipelineError, OSError) as error:
        refused = error if isinstance(error, PipelineError) else SourceError.from_os(error)
        if asked.json:
            terminal.raw(json.dumps(refusal(str(asked.dora_dir or ""), refused), indent=2))
        else:
            terminal.error(str(refused))
        return 2 if isinstance(refused, ConfigError) else 1
    if asked.json:
        terminal.raw(json.dumps(document(found), indent=2, allow_nan=False))
    else:
        terminal.sheet(sheet(found))
    return 0


def _joined(arguments: Sequence[str]) -> list[str]:
    """Write ``--sort -KEY`` in one word: argparse takes what begins with a hyphen for an option."""
    words: list[str] = []
    for word in arguments:
        if words and words[-1] == "--sort":
            words[-1] = f"--sort={word}"
        else:
            words.append(word)
    return words


if __name__ == "__main__":
    sys.exit(command.interruptible(main))

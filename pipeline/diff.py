"""``python -m pipeline.diff A B``: what is different between two releases, or two models?

A and B are each a release (a folder, a run, a Hub id, a receipt.json, an address), a checkpoint or
an exported file, or an experiment. What differs is told by file, by key of the training config and
by tensor: how many of its numbers changed, and how far. Nothing in a pickle is run.
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

STATES = ("auto", "best", "ema", "last")

_EXAMPLES = """
examples:
  python -m pipeline.diff outputs/musicgen_small/VARIANT outputs/musicgen_small/OTHER
  python -m pipeline.diff my-org/my-model@v1.0.0 my-org/my-model
  python -m pipeline.diff local/small@v1.0.0 local/small --cache-dir outputs/hub
  python -m pipeline.diff //sig/9370b59c //sig/1a2b3c4d --state last
  python -m pipeline.diff checkpoint_10.th checkpoint_20.th
  python -m pipeline.diff old/state_dict.bin new/state_dict.bin --json | jq '.files[0].values'

what is read:
  Files whose sizes, or whose own lists of contents, differ are different; others are hashed, but
  for the weights of a repository, whose sha256 is the Hub's word. Only files that differ are looked
  into (of a repository: downloaded, into a folder that is removed), and of these only tensors whose
  checksums differ are read.
  Of a training checkpoint one state is compared, the one that a release would take; --state
  chooses another.

exit status: 0 when they are identical; 1 when they differ, or one cannot be had; 2 for a request
that makes no sense.
"""


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("diff", __doc__, _EXAMPLES)
    for name in ("A", "B"):
        parser.add_argument(
            name.lower(), metavar=name, help="//sig/SIG, a file, a folder, a URL, a Hub id"
        )
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
        "--revision", metavar="NAME", help="of Hub ids that have no @REVISION (default: main)"
    )
    parser.add_argument(
        "--cache-dir", type=Path, metavar="FOLDER", help="look into this Hub cache, not at the Hub"
    )
    parser.add_argument(
        "--state", choices=STATES, default="auto", help="of training checkpoints (default: auto)"
    )
    parser.add_argument("--all", action="store_true", help="show every key and every tensor")
    parser.add_argument("--json", action="store_true", help="one JSON document, for programs")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit status."""
    from pipeline.console import Terminal
    from stages.common.comparer import Places, compare
    from stages.common.comparison_sheet import document, sheet
    from stages.common.document import refusal

    asked = _parser().parse_args(arguments)
    terminal = Terminal()
    try:
        places = Places(
            Outputs(expanded(asked.outputs)),
            asked.dora_dir and expanded(asked.dora_dir),
            asked.revision,
            asked.cache_dir and expanded(asked.cache_dir),
        )
        found = compare(asked.a, asked.b, places, terminal.aside(), asked.state)
    except (PipelineError, OSError) as error:
        refused = error if isinstance(error, PipelineError) else SourceError.from_os(error)
        terminal.error(str(refused))
        if asked.json:
            terminal.raw(json.dumps(refusal(f"{asked.a} {asked.b}", refused), indent=2))
        return 2 if isinstance(refused, ConfigError) else 1
    if asked.json:
        both = document(found, (asked.a, asked.b))
        terminal.raw(json.dumps(both, indent=2, allow_nan=False))
    else:
        terminal.sheet(sheet(found, asked.all))
    return 0 if found.identical else 1


if __name__ == "__main__":
    sys.exit(command.interruptible(main))

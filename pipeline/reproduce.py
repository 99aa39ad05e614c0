"""``python -m pipeline.reproduce RELEASE``: does it come out the same when it is made again?

The release is made anew in an empty folder, by the real pipeline, from the source and with the
settings that its release.json records. What SHA256SUMS lists is then compared file by file: it is
identical, or it is told which file, which tensor and which key differ, and the likely cause.
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
from pipeline.paths import expanded

_EXAMPLES = """
examples:
  python -m pipeline.reproduce outputs/musicgen_small/VARIANT        a run, or its release
  python -m pipeline.reproduce my-org/my-model@v1.0.0 --dora-dir /path/to/dora
  python -m pipeline.reproduce outputs/musicgen_small/VARIANT/push/receipt.json
  python -m pipeline.reproduce release --source /moved/checkpoint.th --codec //sig/98dabcc6
  python -m pipeline.reproduce release --keep again --json | jq '.hints[].what'
  python -m pipeline.reproduce release export.text_encoder=/path/to/t5-base

where the source is:
  A Hub id and an address are in release.json; an experiment is found by its signature, in
  --dora-dir or AUDIOCRAFT_DORA_DIR. A file's place only the run knows that made the release: give
  that run, or --source. A source of another kind than the recorded one gives the same weights,
  and another release.json.

It takes the disk space of the release (TMPDIR chooses the disk) and the time of an export. The card
and samples/ are not made again: they are not of what SHA256SUMS lists.

exit status: 0 when it is identical; 1 when it is not, or could not be made; 2 for a request that
makes no sense.
"""


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("reproduce", __doc__, _EXAMPLES)
    parser.add_argument(
        "what", metavar="RELEASE", help="a folder, a run, a receipt.json, a Hub id, a URL"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="what else the pipeline is to be told"
    )
    parser.add_argument(
        "--source", metavar="WHAT", help="the checkpoint: a file, //sig/SIG, a URL, a Hub id"
    )
    parser.add_argument("--codec", metavar="WHAT", help="the codec, likewise")
    parser.add_argument(
        "--dora-dir",
        type=Path,
        metavar="FOLDER",
        help="the folder that holds xps (default: the run's own, then AUDIOCRAFT_DORA_DIR)",
    )
    parser.add_argument(
        "--revision", metavar="NAME", help="branch, tag or commit of a Hub id (default: main)"
    )
    parser.add_argument(
        "--cache-dir", type=Path, metavar="FOLDER", help="look into this Hub cache, not at the Hub"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="an empty folder to leave what was made in"
    )
    parser.add_argument("--all", action="store_true", help="show every key and every tensor")
    parser.add_argument("--json", action="store_true", help="one JSON document, for programs")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit status."""
    from pipeline.console import Terminal
    from stages.common.document import refusal
    from stages.common.reproduction import Wish, reproduce
    from stages.common.reproduction_sheet import document, sheet
    from stages.common.whereabouts import Whereabouts

    asked = _parser().parse_intermixed_args(arguments)
    terminal, usual = Terminal(), os.environ.get("AUDIOCRAFT_DORA_DIR")
    try:
        wish = Wish(
            Whereabouts(asked.what, asked.revision, asked.cache_dir),
            asked.dora_dir and expanded(asked.dora_dir),
            asked.source,
            asked.codec,
            tuple(asked.overrides),
            asked.keep and expanded(asked.keep),
            expanded(usual) if usual else None,
        )
        found = reproduce(wish, terminal.aside())
    except (PipelineError, OSError) as error:
        refused = error if isinstance(error, PipelineError) else SourceError.from_os(error)
        terminal.error(str(refused))
        if asked.json:
            terminal.raw(json.dumps(refusal(asked.what, refused), indent=2))
        return 2 if isinstance(refused, ConfigError) else 1
    if asked.json:
        terminal.raw(json.dumps(document(asked.what, found), indent=2, allow_nan=False))
    else:
        terminal.sheet(sheet(found, asked.all))
    return 0 if found.identical else 1


if __name__ == "__main__":
    sys.exit(command.interruptible(main))

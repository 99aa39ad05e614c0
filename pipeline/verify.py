"""``python -m pipeline.verify WHAT``: is it, byte for byte, the release that it was?

WHAT is a release folder, a run, a Hub id, a Hub cache's snapshot, an address, or a receipt.json.
SHA256SUMS and release.json have to agree with each other and with every file, nothing else may
lie beside them (but README.md and samples/), and no pickle may ask for anything to be run; none is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline import command
from pipeline.errors import ConfigError, PipelineError, SourceError

_EXAMPLES = """
examples:
  python -m pipeline.verify outputs/musicgen_small/VARIANT/release
  python -m pipeline.verify outputs/musicgen_small/VARIANT       a run: its release
  python -m pipeline.verify my-org/my-model --revision v1.0.0    or my-org/my-model@v1.0.0
  python -m pipeline.verify local/musicgen_small --cache-dir outputs/hub
  python -m pipeline.verify outputs/musicgen_small/VARIANT/push/receipt.json
  python -m pipeline.verify https://example.org/releases/musicgen_small/
  python -m pipeline.verify my-org/my-model --download --json | jq '.copies[].problems'

where things are read:
  A Hub id, or the address of its page: what the Hub tells about the files, and the texts. Its
  sha256 of the weights is the Hub's word; --download reads the files themselves, into a folder
  that is removed afterwards (TMPDIR chooses the disk). Without a network: the cache.
  Any other address is a folder that holds SHA256SUMS and release.json beside the files. Every
  file is downloaded, since nobody else tells what is in it; what nothing lists stays unseen.
  A receipt: every place that it names, with all that was published there, README.md too.

exit status: 0 when it is identical; 1 when anything differs, or cannot be had; 2 for a request
that makes no sense.
"""


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("verify", __doc__, _EXAMPLES)
    parser.add_argument("what", metavar="WHAT", help="a folder, a Hub id, a URL, a receipt.json")
    parser.add_argument(
        "--revision", metavar="NAME", help="branch, tag or commit of a Hub id (default: main)"
    )
    parser.add_argument(
        "--cache-dir", type=Path, metavar="FOLDER", help="look into this Hub cache, not at the Hub"
    )
    parser.add_argument("--download", action="store_true", help="read every file of a Hub id")
    parser.add_argument("--json", action="store_true", help="one JSON document, for programs")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit status."""
    from pipeline.console import Terminal
    from stages.common.document import refusal
    from stages.common.verification_sheet import document, sheet
    from stages.common.verifier import Doubt, verified

    asked = _parser().parse_args(arguments)
    terminal = Terminal()
    doubt = Doubt(asked.what, asked.revision, asked.cache_dir, asked.download)
    try:
        copies = verified(doubt, terminal.aside())
    except (PipelineError, OSError) as error:
        refused = error if isinstance(error, PipelineError) else SourceError.from_os(error)
        terminal.error(str(refused))
        if asked.json:
            terminal.raw(json.dumps(refusal(asked.what, refused), indent=2))
        return 2 if isinstance(refused, ConfigError) else 1
    if asked.json:
        terminal.raw(json.dumps(document(asked.what, copies), indent=2, allow_nan=False))
    else:
        terminal.sheet(sheet(copies))
    return 0 if all(copy.identical for copy in copies) else 1


if __name__ == "__main__":
    sys.exit(command.interruptible(main))

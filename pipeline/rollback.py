"""``python -m pipeline.rollback RECEIPT``: takes a push to the Hub back.

A new commit restores what the push changed; nothing is rewritten, and what others changed since
stays. The tag of the push is left where it is unless --untag says otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline import command
from pipeline.errors import PipelineError

_EXAMPLES = """
examples:
  python -m pipeline.rollback outputs/musicgen_small/VARIANT/push/receipt.json
  python -m pipeline.rollback outputs/musicgen_small/VARIANT --plan-only
  python -m pipeline.rollback outputs/musicgen_small/VARIANT --untag

exit status: 0 when everything is as it was before the push, or could be (--plan-only); 1 when not;
2 for a wrong command line.
"""


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("rollback", __doc__, _EXAMPLES)
    parser.add_argument("receipt", type=Path, metavar="RECEIPT", help="the file, or its run")
    parser.add_argument("--plan-only", action="store_true", help="say what would be done, and stop")
    parser.add_argument("--untag", action="store_true", help="put the tag of the push back as well")
    parser.add_argument("--json", action="store_true", help="one JSON document, for programs")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit status."""
    from pipeline.console import Terminal
    from stages.common import rollback
    from stages.common.document import refusal

    asked = _parser().parse_args(arguments)
    terminal = Terminal()
    say = terminal.aside().note if asked.json else terminal.say
    try:
        planned = rollback.plan(asked.receipt, terminal.aside().note)
        for line in planned.lines():
            say(line)
        commit = untagged = None
        if not asked.plan_only:
            commit = None if planned.empty else planned.apply()
            untagged = planned.untag() if asked.untag else None
    except PipelineError as error:
        terminal.error(str(error))
        if asked.json:
            terminal.raw(json.dumps(refusal(str(asked.receipt), error), indent=2))
        return 1
    if commit is not None:
        say(f"  commit {commit[:12]}, verified: {planned.repository.commit_url(commit)}")
    if untagged is not None:
        say(f"  {untagged}")
    elif planned.about_the_tag is not None and not asked.untag:
        say(f"  {planned.about_the_tag}")
    if asked.json:
        terminal.raw(json.dumps(planned.told(commit, untagged is not None), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(command.interruptible(main))

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

from pipeline.errors import PipelineError

_EXAMPLES = """
examples:
  python -m pipeline.rollback outputs/musicgen_small/VARIANT/push/receipt.json
  python -m pipeline.rollback outputs/musicgen_small/VARIANT --plan-only
  python -m pipeline.rollback outputs/musicgen_small/VARIANT --untag

exit status: 0 when everything is as it was before the push; 1 when not; 2 for a wrong command line.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.rollback",
        description=(__doc__ or "").replace("``", ""),
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("receipt", type=Path, metavar="RECEIPT", help="the file, or its run")
    parser.add_argument("--plan-only", action="store_true", help="say what would be done, and stop")
    parser.add_argument("--untag", action="store_true", help="remove the tag of the push as well")
    parser.add_argument("--json", action="store_true", help="one JSON document, for programs")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give the exit status."""
    from pipeline.console import Terminal
    from stages.common import rollback

    asked = _parser().parse_args(arguments)
    terminal = Terminal()
    say = terminal.aside().note if asked.json else terminal.say
    try:
        planned = rollback.plan(asked.receipt, terminal.aside().note)
        entry, page = planned.entry, planned.repository.url
        say(f"{page}: taking back {entry.commit[:12]} on {entry.branch}")
        for file in planned.restored:
            say(f"  ~ {file.path}  as before the push")
        for path in planned.deleted:
            say(f"  - {path}")
        commit = planned.head
        if planned.empty:
            say("  everything is as it was before that push")
        elif not asked.plan_only:
            commit = planned.apply()
            say(f"  commit {commit[:12]}, verified: {planned.repository.commit_url(commit)}")
        untagged = asked.untag and not asked.plan_only and planned.remove_tag()
        if untagged:
            say(f"  removed the tag {entry.tag}")
        elif planned.tag_at:
            say(f"  the tag {entry.tag} still names {planned.tag_at[:12]} (--untag removes it)")
    except PipelineError as error:
        terminal.error(str(error))
        return 1
    if asked.json:
        told = {
            "repo_id": entry.repo_id,
            "branch": entry.branch,
            "taken_back": entry.commit,
            "commit": commit,
            "restored": [file.path for file in planned.restored],
            "deleted": list(planned.deleted),
            "tag": None if untagged else planned.tag_at and entry.tag,
            "done": planned.empty or not asked.plan_only,
        }
        terminal.raw(json.dumps(told, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A Hub to try things on by hand: ``python -m tests.hub --port 8080``."""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path
from threading import Event

from tests.hub import serve


def main() -> None:
    """Serve until Ctrl-C, having said how to be a client."""
    parser = argparse.ArgumentParser("python -m tests.hub", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="any free one when not given")
    parser.add_argument("--root", type=Path, help="kept between runs; by default a temporary one")
    parser.add_argument("--part-size", type=int, help="bytes; a larger file is sent in parts")
    options = parser.parse_args()
    with ExitStack() as stack:
        root = options.root or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        hub = stack.enter_context(serve(root, options.port))
        hub.part_size = options.part_size or hub.part_size
        print(f"A Hub at {hub.endpoint}, kept in {root}. Ctrl-C ends it.\n")
        for token in hub.accounts.tokens.values():
            scopes = f" for {', '.join(token.scopes)}" if token.scopes else ""
            print(f"  {token.text:<22} {token.role} token of {token.user}{scopes}")
        print(f"\nexport HF_ENDPOINT={hub.endpoint} HF_HUB_DISABLE_XET=1")
        print(f"export HF_TOKEN={hub.tokens['write']}", flush=True)
        try:
            Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()

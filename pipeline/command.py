"""What the commands beside the pipeline share: how they explain themselves, and how they end."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def parser(name: str, told: str | None, more: str = "") -> argparse.ArgumentParser:
    """Give the parser of ``python -m pipeline.NAME``, without an argument of its own yet.

    Args:
        name: of the module.
        told: its docstring, which is the head of its ``--help``.
        more: what stands at the end of it, as it is: examples, exit statuses.
    """
    return argparse.ArgumentParser(
        prog=f"python -m pipeline.{name}",
        description=(told or "").replace("``", ""),
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def interruptible(main: Callable[[], int]) -> int:
    """Run a command's main function; give its exit status, or 130 after Ctrl-C."""
    try:
        return main()
    except KeyboardInterrupt:
        from pipeline.console import Terminal

        Terminal().error("Interrupted.")
        return 130

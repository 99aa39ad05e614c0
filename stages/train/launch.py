"""What runs in the subprocess: ``dora run`` for any package, into a folder of our choice.

Dora takes its folder from the package's defaults alone: an override of ``dora.dir`` changes
nothing. Its program object can be told, as AudioCraft tells its own.

Run as a script, ``launch.py ACTION PACKAGE FOLDER OVERRIDE...``, with ACTION ``signature`` or
``run``. It imports nothing of ours and runs on Python 3.8, so that it works beside any package.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def program_of(package: str, folder: Path) -> Any:
    """Import a package's Dora program and point it at ``folder``."""
    program = importlib.import_module(f"{package}.train").main
    if not hasattr(program, "get_xp"):
        raise TypeError(f"{package}.train.main is not a Dora program (dora.hydra_main)")
    program.dora.dir = folder
    return program


def identity(program: Any, overrides: Sequence[str]) -> dict[str, Any]:
    """Tell an experiment's signature and its number of epochs, without touching the disk."""
    xp = program.get_xp(overrides)
    try:
        epochs = int(xp.cfg.optim.epochs)
    except (AttributeError, TypeError, ValueError):
        epochs = None  # a package with a config of its own kind
    return {"signature": xp.sig, "epochs": epochs}


def main(action: str, package: str, folder: str, *overrides: str) -> None:
    """Answer on standard output, or train."""
    # This script's own folder would let our modules shadow the package's.
    sys.path[0] = os.getcwd()
    answer = os.dup(1)
    os.dup2(2, 1)  # whatever a package prints while it is imported is not the answer
    program = program_of(package, Path(folder))
    if action == "signature":
        os.write(answer, json.dumps(identity(program, overrides)).encode())
    else:
        os.close(answer)
        sys.argv[1:] = overrides  # where Dora and Hydra look for them
        program()


if __name__ == "__main__":
    main(*sys.argv[1:])

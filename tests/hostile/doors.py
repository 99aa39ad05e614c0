"""Reads files through the public doors, each in a forked process, and says what happened.

``python -m tests.hostile.doors BENIGN FILE...`` prints one line of JSON per file, after having read
the benign one, so that what follows is what a file takes, and not what an import takes.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.errors import FormatError
from stages.common.archive import Archive
from stages.common.checkpoint import Checkpoint
from stages.common.settings import LM_NODES, Settings
from stages.common.tensors import TensorRef

LARGE = 1 << 20
"""Bytes of a file that is refused once only, since both doors take their time for it."""

FORBIDDEN = ("os.", "subprocess.", "socket.", "pty.", "ctypes.", "shutil.", "compile")


def suspicious(event: str, arguments: tuple[Any, ...]) -> bool:
    """Whether an audit event is of something that a reader does not do, but for late imports."""
    if event in ("exec", "open"):
        path = getattr(arguments[0], "co_filename", None) or str(arguments[0])
        return not path.endswith((".py", ".pyc"))
    return event.startswith(FORBIDDEN)


def read_archive(path: Path) -> None:
    """Read the root, and every byte of every tensor."""
    with Archive.open(path) as archive:
        for ref in tensors(archive.root):
            for _ in archive.blocks(ref):
                pass


def tensors(value: Any) -> list[TensorRef]:
    if isinstance(value, dict):
        return [ref for item in value.values() for ref in tensors(item)]
    if isinstance(value, list | tuple):
        return [ref for item in value for ref in tensors(item)]
    return [value] if isinstance(value, TensorRef) else []


def read_checkpoint(path: Path) -> None:
    """Read everything but the tensors."""
    with Checkpoint.open(path) as checkpoint:
        Settings.of(checkpoint.config, LM_NODES)


def said(door: Callable[[Path], None], path: Path) -> str:
    """Give the error; empty where there is none."""
    try:
        door(path)
    except FormatError as error:
        return str(error)
    except BaseException as error:
        return f"UNEXPECTED {type(error).__name__}: {error}"[:300]
    return ""


def observe(path: Path) -> dict[str, Any]:
    """Read a file; a fork starts with a peak of its own."""
    events: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        own = event == "open" and str(arguments[0]) == str(path)
        if suspicious(event, arguments) and not own:
            events.append(f"{event} {arguments!r}"[:200])

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.addaudithook(watch)
    errors = [said(read_archive, path)]
    if not errors[0] or path.stat().st_size < LARGE:
        errors.append(said(read_checkpoint, path))
    done = list(events)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"file": path.name, "errors": errors, "events": done, "kilobytes": after - before}


def main(benign: Path, *paths: Path) -> None:
    read_archive(benign)  # Here, so that everything is imported.
    read_checkpoint(benign)
    for path in paths:
        sys.stdout.flush()
        if child := os.fork():
            os.waitpid(child, 0)
            continue
        print(json.dumps(observe(path)), flush=True)
        os._exit(0)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

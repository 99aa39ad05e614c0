"""A Hub in a process of its own, so that what it takes is not counted with its clients."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process import environment, python

WHOLE = 1 << 40
"""A size of parts with which every file is sent whole, as a plain PUT is."""


@dataclass(frozen=True)
class Loopback:
    """A running Hub.

    Attributes:
        endpoint: its address.
        token: of somebody who may write to `lab`.
    """

    endpoint: str
    token: str


@contextmanager
def loopback(root: Path) -> Iterator[Loopback]:
    """Run a Hub on the loopback that keeps what it gets below a folder."""
    command = python("tests.hub", "--root", str(root), "--part-size", str(WHOLE))
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield _told(process)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()  # it may say something yet


def _told(process: subprocess.Popen[str]) -> Loopback:
    """Read what it says when it is ready."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        token = re.search(r"^export HF_TOKEN=(\S+)$", said, re.MULTILINE)
        endpoint = re.search(r"^export HF_ENDPOINT=(\S+)", said, re.MULTILINE)
        if token and endpoint:
            return Loopback(endpoint[1], token[1])
    raise subprocess.CalledProcessError(process.wait(), process.args)

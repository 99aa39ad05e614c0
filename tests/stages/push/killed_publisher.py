"""Publishes one release again and again, killed each time one touch of the disk later.

Started as ``python -m tests.stages.push.killed_publisher RUN OUTPUTS CACHES``; leaves the caches as
the kills left them, ``CACHES/001`` and so on, up to the first that lived to its end.
"""

import os
import signal
import sys
from pathlib import Path

from pipeline.layout import Outputs, Run
from pipeline.schema import CacheConfig
from pipeline.stage import Context
from tests.releases import push

TOUCHES = {"open", "os.rename", "os.link", "os.symlink", "os.mkdir", "os.remove", "os.rmdir"}


def publish(run: Run, cache: Path) -> None:
    folder = cache.with_suffix(".push")
    folder.mkdir()
    push(cache=CacheConfig(dir=str(cache))).run(Context(run, folder))


def die_at(touch: int, cache: Path) -> None:
    """Kill this process before it touches the cache for the given time."""
    left = [touch]

    def count(event: str, arguments: tuple[object, ...]) -> None:
        if event in TOUCHES and f"{cache}/" in str(arguments):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def main(run: Run, caches: Path) -> None:
    publish(run, caches / "whole")
    for touch in range(1, 1000):
        cache = caches / f"{touch:03d}"
        child = os.fork()
        if child == 0:
            die_at(touch, cache)
            publish(run, cache)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            return


if __name__ == "__main__":
    main(Run(Path(sys.argv[1]), Outputs(Path(sys.argv[2]))), Path(sys.argv[3]))

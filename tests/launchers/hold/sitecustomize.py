"""Holds a Python process in the middle of a run; Python loads this by itself from PYTHONPATH.

HOLD=FOLDER HOLD_AT=PREFIX: a process that is about to put the codec of a run below PREFIX in place
writes its id into FOLDER/held, and goes on once there is a file FOLDER/go; it dies if there is
FOLDER/kill.
"""

import os
import signal
import sys
import time

_folder = os.environ.get("HOLD", "")
_at = os.environ.get("HOLD_AT", "")


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "os.rename":
        target = str(arguments[1])
        if target.startswith(_at) and target.endswith("/export_compression"):
            _hold()


def _hold() -> None:
    if os.path.exists(f"{_folder}/go"):
        return
    with open(f"{_folder}/held.part", "w") as file:
        file.write(str(os.getpid()))
    os.rename(f"{_folder}/held.part", f"{_folder}/held")
    while not os.path.exists(f"{_folder}/go"):
        if os.path.exists(f"{_folder}/kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)


if _folder:
    sys.addaudithook(_watch)

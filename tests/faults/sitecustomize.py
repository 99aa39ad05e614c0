"""Kills a Python process at a chosen moment; Python loads this by itself from PYTHONPATH.

KILL_AT=rename:3 kills at the third rename below KILL_UNDER, KILL_AT=write:5 at the fifth file that
is opened for writing there, KILL_AT=size:100000 in the middle of a write, at that size of a file.
"""

import os
import resource
import signal
import sys

_what, _, _number = os.environ.get("KILL_AT", "").partition(":")
_under = os.environ.get("KILL_UNDER", "")
_seen = 0


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    global _seen
    if _what == "rename":
        hit = event == "os.rename" and str(arguments[0]).startswith(_under)
    else:
        hit = (
            event == "open"
            and str(arguments[0]).startswith(_under)
            and bool(int(str(arguments[2])) & (os.O_WRONLY | os.O_RDWR))
        )
    if hit:
        _seen += 1
        if _seen == int(_number):
            os.kill(os.getpid(), signal.SIGKILL)


if _what == "size":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(_number), int(_number)))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
elif _what:
    sys.addaudithook(_watch)

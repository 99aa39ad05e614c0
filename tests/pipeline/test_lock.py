import os
import signal
import socket
import subprocess
import sys

import pytest

from pipeline import lock
from pipeline.errors import LockedError

HOLD = """
import sys, time
from pathlib import Path
from pipeline import lock
with lock.hold(Path(sys.argv[1]), 0, print):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_waits_for_a_named_holder_and_gives_up(tmp_path, holder):
    waited_for: list[str] = []
    with (
        pytest.raises(LockedError, match="Another run holds this folder") as caught,
        lock.hold(tmp_path / "lock", 0.2, waited_for.append),
    ):
        pass
    name = f"process {holder.pid} on {socket.gethostname()}"
    assert waited_for == [name] and name in str(caught.value)
    assert "lock_timeout" in str(caught.value)


def test_a_killed_holder_lets_go(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with lock.hold(tmp_path / "lock", 5, pytest.fail):
        pass


def test_the_lock_file_stays_and_can_be_taken_again(tmp_path):
    for _ in range(2):
        with lock.hold(tmp_path / "lock", 0, pytest.fail):
            pass
    assert (tmp_path / "lock").exists()


def test_an_unreadable_holder_is_another_process(tmp_path, holder):
    (tmp_path / "lock").write_text("")
    waited_for: list[str] = []
    with pytest.raises(LockedError), lock.hold(tmp_path / "lock", 0.1, waited_for.append):
        pass
    assert waited_for == ["another process"]

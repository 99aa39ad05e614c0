"""A run that is killed at any moment is completed by the next one, to the same bytes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command import (
    Place,
    check_sums,
    command,
    environment,
    faulty,
    make_place,
    pipeline,
    tree,
)

STEP = int(os.environ.get("KILL_STEP", "4"))
"""Of the 75 moments, every fourth; `make faults` takes them all."""


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The release of an undisturbed run."""
    place = make_place(tmp_path_factory.mktemp("undisturbed"))
    done = pipeline(*place.request, "validate=off", cwd=place.root)
    assert done.returncode == 0, done.stderr
    return tree(place.release())


def _complete(place: Place, expected: dict[str, bytes]) -> None:
    for release in place.releases():
        check_sums(release)
    done = pipeline(*place.request, "validate=off", cwd=place.root)
    assert done.returncode == 0, done.stderr
    assert tree(place.release()) == expected
    left = [p for p in place.outputs.rglob("*") if p.name.endswith((".tmp", ".old"))]
    assert not left


def _killed_at(place: Place, at: str) -> bool:
    done = pipeline(*place.request, "validate=off", cwd=place.root, env=faulty(at, place.outputs))
    assert done.returncode in (0, -signal.SIGKILL, -signal.SIGXFSZ), done.stderr
    return done.returncode != 0


@pytest.mark.parametrize(("kind", "first"), [("rename", 1), ("rename", 1 + STEP), ("write", 2)])
def test_killed_at_a_rename_or_at_the_opening_of_a_file(tmp_path, expected, kind, first):
    number = first
    while True:
        place = make_place(tmp_path / f"{kind}{number}")
        if not _killed_at(place, f"{kind}:{number}"):
            break
        _complete(place, expected)
        number += STEP if kind == "write" else 2 * STEP
    assert number > first + 5, "nothing was killed: is the fault injection still working?"


@pytest.mark.parametrize("size", [10, 300, 5_000, 60_000])
def test_killed_in_the_middle_of_a_write(place, expected, size):
    assert _killed_at(place, f"size:{size}")
    _complete(place, expected)


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(place, expected):
    process = subprocess.Popen(
        command(*place.request), cwd=place.root, env=environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not list(place.outputs.glob("*/*/collect/stage.json")):
        time.sleep(0.01)
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted" in errors and "same command" in errors and "Traceback" not in errors
    _complete(place, expected)


def test_two_runs_at_once_both_end_well(place, expected):
    arguments = command(*place.request, "validate=off")
    both = [
        subprocess.Popen(arguments, cwd=place.root, env=environment(), stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    assert tree(place.release()) == expected


def test_a_held_folder_is_named_after_lock_timeout(place):
    done = pipeline(*place.request, "validate=off", cwd=place.root)
    assert done.returncode == 0
    run = place.run()
    lock = run.parent / ".locks" / f"{run.name}.lock"
    code = (
        "import sys, time; from pathlib import Path; from pipeline import lock\n"
        "with lock.hold(Path(sys.argv[1]), 0, print): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, env=environment()
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline()
        refused = pipeline(*place.request, "validate=off", "lock_timeout=1", cwd=place.root)
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.communicate()
    assert refused.returncode == 1
    assert f"process {holder.pid}" in refused.stderr and "Traceback" not in refused.stderr
    assert len(refused.stderr.splitlines()) <= 3


def test_the_fault_injection_stays_out_of_other_runs(tmp_path: Path):
    assert "KILL_AT" not in environment()

"""A sweep by each launcher: the same releases, and no job that takes another one along."""

import os
import signal
from pathlib import Path

import pytest

from tests.command import LM
from tests.launchers.sweeps import EPOCHS, OTHER, Sweep, wait_for

LAUNCHERS = ["ray"] if "RAY" in os.environ else ["joblib", "submitit_local", "slurm"]
"""Ray has an environment of its own: make ray."""

each = pytest.mark.parametrize("launcher", LAUNCHERS, indirect=True)


def released(sweep: Sweep) -> dict[str, str]:
    """Give what was released, by names that are the same in any folder."""
    return {name.rpartition("-")[0]: sums for name, sums in sweep.sums().items()}


def weights(sweep: Sweep) -> tuple[int, int]:
    """Tell the weights that the job exported which is held from any others."""
    (file,) = sweep.place.outputs.glob(f"*/{LM}-epoch1-*/export_lm/state_dict.bin")
    return file.stat().st_ino, file.stat().st_mtime_ns


@each
def test_every_launcher_releases_the_same(sweep, basic, expected):
    done = sweep.run()

    assert done.returncode == 0, done.stdout + done.stderr
    assert released(sweep) == expected
    assert sweep.board() == basic.board()
    assert len(expected) == sum(EPOCHS.values())


@each
def test_one_job_that_fails_and_one_that_is_killed_take_no_other_along(sweep, expected):
    spoilt = sweep.place.dora / "xps" / OTHER / "checkpoint_1.th"
    whole = spoilt.read_bytes()
    os.truncate(spoilt, len(whole) // 2)

    with sweep.held(LM, 1) as held:
        held.kill()
        done = held.end()

    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "2 of 4 jobs failed. The others are complete." in done.stderr
    assert "killed" in done.stdout and str(spoilt) in done.stdout.replace("\n", "")
    lost = {f"{OTHER}-epoch1-keep", f"{LM}-epoch1-keep"}
    assert released(sweep) == {name: expected[name] for name in expected.keys() - lost}

    spoilt.write_bytes(whole)
    again = sweep.run()
    assert again.returncode == 0, again.stdout + again.stderr
    assert released(sweep) == expected


@pytest.mark.skipif("RAY" in os.environ, reason="of submitit")
@pytest.mark.parametrize("launcher", ["submitit_local"], indirect=True)
def test_a_job_that_has_to_make_room_comes_again_and_goes_on_where_it_stopped(sweep, expected):
    with sweep.held(LM, 1) as held:
        before = weights(sweep)
        os.kill(held.pid, signal.SIGUSR2)  # as Slurm does
        wait_for(lambda: not Path(f"/proc/{held.pid}").exists(), held.driver)
        held.let_go()
        done = held.end()

    assert done.returncode == 0, done.stdout + done.stderr
    assert weights(sweep) == before
    assert released(sweep) == expected

"""A sweep by each launcher: the same releases, and no job that takes another one along."""

import os

import pytest

from tests.command import LM
from tests.launchers.sweeps import EPOCHS, OTHER, Sweep

LAUNCHERS = ["joblib", "submitit_local", "slurm"]
if "RAY" in os.environ:
    LAUNCHERS = ["ray"]

each = pytest.mark.parametrize("launcher", LAUNCHERS, indirect=True)


def released(sweep: Sweep) -> dict[str, str]:
    """Give what was released, by names that are the same in any folder."""
    return {name.rpartition("-")[0]: sums for name, sums in sweep.sums().items()}


@each
def test_every_launcher_releases_the_same(sweep, expected):
    done = sweep.run()

    assert done.returncode == 0, done.stdout + done.stderr
    assert released(sweep) == expected
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

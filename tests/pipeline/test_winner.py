import json
import math
from dataclasses import replace

import pytest

from pipeline.errors import SweepError
from pipeline.schema import SelectConfig
from pipeline.sweep import Job
from pipeline.winner import winner
from tests.pipeline.released import history, make_variant


def job(outputs, number, *, verdict="done", loss=None, **variant):
    """Make a job of which a variant of one epoch of its own is left."""
    training = history()
    if loss is not None:
        training[number - 1]["valid"]["ce"] = loss
    run = make_variant(
        outputs, f"1a2b3c4d-epoch{number}-keep", epoch=number, training=training, **variant
    )
    return Job(
        "sweep", number, (f"checkpoint.epoch={number}",), run, SelectConfig("best"), verdict=verdict
    )


def number_of(jobs, **choice):
    found = winner(jobs, replace(SelectConfig("best"), **choice))
    return found and found.job.number


def test_the_least_or_the_most_of_a_metric_wins(tmp_path):
    jobs = [job(tmp_path, n, loss=loss) for n, loss in ((1, 3.0), (2, 1.0), (3, 2.0))]
    assert number_of(jobs) == 2
    assert number_of(jobs, mode="max") == 1
    assert number_of(jobs, metric="train.ce") == 3
    assert winner(jobs, jobs[0].choice).value == 1.0


def test_ties_go_to_the_earliest_epoch_in_whatever_order_they_ran(tmp_path):
    jobs = [job(tmp_path, n, loss=1.0) for n in (3, 1, 2)]
    assert number_of(jobs) == number_of(jobs[::-1]) == 1


def test_of_the_same_epoch_what_lost_least_to_a_cast_wins(tmp_path):
    jobs = []
    for name, size in (("a-float16", 2), ("b-keep", 4)):
        run = make_variant(tmp_path, name, epoch=3)
        manifest = json.loads(run.release.manifest.read_text())
        manifest["files"]["state_dict.bin"]["size"] = size
        run.release.manifest.write_text(json.dumps(manifest))
        run.release.state_dict.write_bytes(b"x" * size)
        jobs.append(Job("sweep", size, (name,), run, SelectConfig("best"), verdict="done"))
    assert winner(jobs, jobs[0].choice).job.overrides == ("b-keep",)


def test_what_is_no_number_never_wins(tmp_path):
    jobs = [job(tmp_path, n, loss=loss) for n, loss in ((1, math.nan), (2, -math.inf), (3, 9.0))]
    assert number_of(jobs) == 3


def test_only_what_was_validated_can_win(tmp_path):
    jobs = [job(tmp_path, 1, loss=1.0, validation="fail"), job(tmp_path, 2, loss=2.0)]
    assert number_of(jobs) == 2


@pytest.mark.parametrize("verdict", ["failed", "killed", "interrupted"])
def test_a_job_that_did_not_succeed_leaves_no_winner_unless_that_is_allowed(tmp_path, verdict):
    jobs = [job(tmp_path, 1, loss=2.0), job(tmp_path, 2, loss=1.0, verdict=verdict)]
    assert number_of(jobs) is None
    assert number_of(jobs, allow_failed=True) == 1


def test_no_winner_at_all_is_explained(tmp_path):
    jobs = [job(tmp_path, 1)]
    with pytest.raises(SweepError, match=r"none has valid\.fad.*\n.*\nThere are: .*valid\.ce"):
        number_of(jobs, metric="valid.fad")
    with pytest.raises(SweepError, match="validate passed none of them"):
        number_of([job(tmp_path, 2, validation="fail")])

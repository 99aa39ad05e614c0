"""Where the threads of a piece of work are."""

import time

from benchmarks import profile
from stages.common.writer import _Hasher


def test_a_thread_is_counted_at_the_project_s_line_that_it_waits_in():
    def work():
        with _Hasher():
            time.sleep(0.3)

    (row,) = [row for row in profile.sampled(work) if row["thread"] == "sha256"]

    assert row["place"].startswith("writer.py:") and "self._blocks.get()" in row["line"]
    assert 0.5 < row["share"] <= 1

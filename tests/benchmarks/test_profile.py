"""Where the threads of a piece of work are."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks import profile
from pipeline.files import file_digest


def test_a_thread_is_counted_at_the_project_s_line_that_it_waits_in(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    def work():
        reader = threading.Thread(target=file_digest, args=(tmp_path / "pipe",), name="reader")
        reader.start()
        time.sleep(0.3)
        with (tmp_path / "pipe").open("wb"):  # only now can the other end be opened
            pass
        reader.join()

    (row,) = [row for row in profile.sampled(work) if row["thread"] == "reader"]

    assert row["place"].startswith("files.py:") and "path.open(" in row["line"]
    assert 0.5 < row["share"] <= 1


def test_a_pool_s_thread_is_counted_where_it_calls_a_function_of_c():
    def work():
        with ThreadPoolExecutor(1, "pool") as pool:
            pool.submit(time.sleep, 0.3)

    rows = [row for row in profile.sampled(work) if row["thread"].startswith("pool")]

    assert "self.fn(" in rows[0]["line"] and rows[0]["share"] > 0.5

"""``python -m benchmarks``, whole: what it writes and what it leaves."""

import json
import os
import signal
import subprocess
import time

import pytest

from tests import exports
from tests.command import ROOT, command, environment

small_disk = exports.small_disk


def benchmark(*arguments):
    return subprocess.run(
        command(*arguments, module="benchmarks"), cwd=ROOT, env=environment(),
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_it_measures_everything_and_leaves_only_the_results(tmp_path):
    folder, path = tmp_path / "with space", tmp_path / "results.json"

    done = benchmark(
        "--scale", "tiny", "--repeats", "1", "--folder", str(folder), "--results", str(path)
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert list(folder.iterdir()) == []
    results = json.loads(path.read_text())
    assert str(tmp_path) not in path.read_text()
    assert 0 < results["bytes"]["exported"] * 3.9 < results["bytes"]["checkpoint"]
    for temperature in ("warm", "cold"):
        for method in ("float32", "float16", "cp", "cp_sha256sum", "audiocraft", "command"):
            runs = results["times"][f"{method}, {temperature}"]
            assert len(runs["work"]) == 1 and 0 < runs["least"] <= runs["process"][0]
    held = results["anonymous_bytes"]
    assert min(*held["exports"].values(), *held["command"].values(), held["audiocraft"]) > 0
    assert {"read, cold", "sha256", "crc32 of zlib", "cast to float16", "write"} <= set(
        results["gigabytes_per_second"]
    )
    assert results["profiles"]["float32"]
    assert results["machine"]["cores"] >= 1 and results["machine"]["numpy"]
    assert set(results["push"]["times"]) == {"push", "put", "client"}
    assert results["push"]["bytes_read"]["client"] > 2 * results["push"]["bytes"]
    runs = results["sweep"]["runs"]
    assert runs["joblib"]["anonymous_bytes"]["worker"] > 100e6  # torch is in there
    assert (
        runs["again"]["anonymous_bytes"]["driver"]
        < 100e6
        < runs["one process"]["anonymous_bytes"]["driver"]
    )
    for figure in [*results["figures"], *results["push"]["figures"], *results["sweep"]["figures"]]:
        assert figure["name"] in done.stdout and figure["met"] is not False


def test_a_part_keeps_the_results_of_the_other(tmp_path):
    path = tmp_path / "results.json"
    path.write_text('{"bytes": {"exported": 1}, "push": {"bytes": 1}}')
    relative = os.path.relpath(tmp_path / "large", ROOT)

    done = benchmark(
        "--scale", "tiny", "--repeats", "1", "--only", "push", "--folder", relative,
        "--results", str(path),
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    results = json.loads(path.read_text())
    assert results["bytes"] == {"exported": 1} and results["push"]["bytes"] == 8_000_000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(tmp_path, number):
    arguments = ("--scale", "small", "--folder", str(tmp_path / "large"))
    with subprocess.Popen(
        command(*arguments, module="benchmarks"), cwd=ROOT, env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        while not list((tmp_path / "large").glob("*/checkpoint.th")):
            time.sleep(0.05)
            assert running.poll() is None
        running.send_signal(number)
        output, errors = running.communicate(timeout=60)

    assert (running.returncode, errors) == (
        130,
        "error Interrupted. The large files are removed.\n",
    ), output
    assert list((tmp_path / "large").iterdir()) == []


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(small_disk):
    done = benchmark("--scale", "tiny", "--folder", str(small_disk))

    assert done.returncode == 1
    assert "The disk is too full: 0.11 GB needed, 0.00 GB free." in done.stderr
    assert "--folder" in done.stderr
    assert "writing" not in done.stdout and list(small_disk.iterdir()) == []

"""Measuring a process: its memory and its failures."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import process

MEGA = 1_000_000


def script(tmp_path, text):
    (tmp_path / "script.py").write_text(f"import time\n{text}\ntime.sleep(0.2)\n")
    return [sys.executable, "script.py"]


def test_memory_that_was_given_back_counts(tmp_path):
    nothing = process.peak_of(tmp_path, script(tmp_path, ""))
    something = "held = bytearray(b'1') * 50_000_000\ntime.sleep(0.2)\ndel held"

    peak = process.peak_of(tmp_path, script(tmp_path, something))

    assert 49 * MEGA < peak - nothing < 60 * MEGA  # the kernel counts in batches of pages


def test_the_pages_of_a_file_do_not_count(tmp_path):
    (tmp_path / "file").write_bytes(bytes(50_000_000))
    reading = "import mmap\nfile = open('file')\nheld = mmap.mmap(file.fileno(), 0, prot=1)\n"

    peak = process.peak_of(
        tmp_path, script(tmp_path, f"{reading}for at in range(0, len(held), 4096): held[at]")
    )

    assert 0 < peak < 40 * MEGA


def test_imports_do_not_count(tmp_path):
    (tmp_path / "source").write_bytes(b"content")

    peak = process.peak_above_imports(tmp_path, "copy", "source", "target", "hashlib")

    assert (tmp_path / "target").read_bytes() == b"content"
    assert peak < 5 * MEGA


@pytest.mark.parametrize("then", ["sha256sum", "hashlib"])
def test_work_is_timed_and_gives_its_result(tmp_path, then):
    (tmp_path / "source").write_bytes(b"")

    measured = process.timed(tmp_path, "copy", "source", "target", then)

    assert measured.result.startswith("e3b0c44298fc1c149afbf4c8996fb924")
    assert 0 < measured.seconds < measured.process


@pytest.mark.parametrize("measure", [process.timed, process.peak_above_imports])
def test_work_that_fails_is_no_measurement(tmp_path, capfd, measure):
    with pytest.raises(subprocess.CalledProcessError):
        measure(tmp_path, "copy", "absent", "target", "nothing")
    assert "absent" in capfd.readouterr().err


def test_what_is_interrupted_ends_with_all_that_it_started(tmp_path):
    text = "import subprocess; subprocess.run(['sh', '-c', 'echo $$ > begun; exec sleep 1000'])"
    begun = tmp_path / "begun"
    with (
        pytest.raises(KeyboardInterrupt),
        process._started(script(tmp_path, text), tmp_path) as running,
    ):
        while not (begun.exists() and begun.read_text()):
            time.sleep(0.01)
        raise KeyboardInterrupt

    assert running.returncode == -9
    status = Path("/proc", begun.read_text().strip(), "status")
    for _ in range(1000):  # dying takes a moment
        if not status.exists() or "State:\tZ" in status.read_text():
            return
        time.sleep(0.01)
    pytest.fail("what it started lives on")

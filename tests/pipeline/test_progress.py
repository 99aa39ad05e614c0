"""What long work shows: bars on a terminal, lines elsewhere, and how fast bytes go by."""

import io
import re
import time

from rich.console import Console

from pipeline.progress import PATIENCE, StageProgress


def shown(terminal: bool, width: int = 120) -> tuple[StageProgress, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=width, color_system=None)
    return StageProgress(console), out


def test_a_line_says_how_much_and_how_fast_in_the_mean():
    progress, out = shown(terminal=False)
    with progress.task("send", 4000) as task:
        task.say("state_dict.bin")
        task.advance(0)
        assert out.getvalue() == ""
        time.sleep(PATIENCE)
        task.advance(2000)
        task.advance(1000)
    (line,) = out.getvalue().splitlines()
    found = re.fullmatch(r"      send: 2 kB \(50 %\), (\S+) (k?B)/s state_dict\.bin", line)
    assert found, line
    assert 0 < float(found[1]) * {"B": 1, "kB": 1000}[found[2]] <= 2000


def test_what_is_not_bytes_has_no_rate():
    progress, out = shown(terminal=False)
    with progress.task("training", 4, "epochs") as task:
        task.advance(1)
        task.say("ce 4.5")
    assert out.getvalue() == "      training: 1 epochs (25 %) ce 4.5\n"


def test_a_bar_shows_the_rate_of_bytes_alone():
    for unit, expected in (("bytes", True), ("epochs", False)):
        progress, out = shown(terminal=True)
        with progress.task("send", 4_000_000, unit) as task:
            for _ in range(4):
                task.advance(1_000_000)
                time.sleep(0.01)
            task.say("state_dict.bin 100 %")
        assert ("B/s" in out.getvalue()) is expected
        assert "state_dict.bin 100 %" in out.getvalue()


def test_a_bar_gives_way_in_a_narrow_terminal():
    progress, out = shown(terminal=True, width=80)
    text = "compression_state_dict.bin 50 %"
    with progress.task("send", 4_000_000) as task:
        task.say(text)
        for _ in range(2):
            task.advance(1_000_000)
            time.sleep(0.01)
    last = re.split(r"[\r\n]+|\x1b\[\S*?[A-Za-z]", out.getvalue().rstrip())
    shows = [line for line in last if "MB/s" in line]
    assert shows and all(text in line for line in shows), shows

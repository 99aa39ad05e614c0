"""The client of the matrix, and its table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from huggingface_hub import close_session, constants

from tests.hub import Hub
from tests.stages.push.faults.cases import Case

EVERY = os.environ.get("FAULTS") == "all"
"""``make faults`` takes every case, and prints the table."""


@pytest.fixture
def log_in(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Case], None]]:
    """Makes the client of this process that of a case, or by default that of ada."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("HF_TOKEN_PATH", os.devnull)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", os.devnull)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)

    def log_in(case: Case) -> None:
        monkeypatch.setenv("HF_TOKEN", hub.tokens.get(case.token, case.token))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", not case.xet)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", case.offline)
        close_session()

    yield log_in
    close_session()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a line for each case: what went wrong, what was left, what was said first."""
    if not EVERY:
        return
    reports = [r for kind in ("passed", "failed") for r in terminalreporter.stats.get(kind, [])]
    rows = [dict(report.user_properties) for report in reports if report.user_properties]
    rows = sorted((row for row in rows if "fault" in row), key=lambda row: row["number"])
    if not rows:
        return
    widths = [max(len(row[column]) for row in rows) for column in ("fault", "ending")]
    terminalreporter.section("push=hub: what goes wrong, what is left, what is said")
    for row in rows:
        line = f"{row['fault']:<{widths[0]}}  {row['ending']:<{widths[1]}}  {row['said']}"
        terminalreporter.write_line(line)

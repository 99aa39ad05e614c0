"""AudioCraft, what it trained, and a table of what was done with it."""

from __future__ import annotations

import os

import pytest

from tests.interop.environment import ready
from tests.interop.experiments import Experiments
from tests.interop.peer import Peer
from tests.interop.table import Table

_TABLE = pytest.StashKey[Table]()

EVERY = os.environ.get("INTEROP") == "all"
"""``make interop`` runs everything; each test run takes one model all the way."""

collect_ignore = (
    [] if EVERY else ["test_builders.py", "test_doors.py", "test_models.py", "test_transformers.py"]
)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TABLE] = Table()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash[_TABLE].lines():
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> Table:
    """What has been trained, loaded and compared, for people."""
    return pytestconfig.stash[_TABLE]


@pytest.fixture(scope="session")
def peer() -> Peer:
    """AudioCraft 1.3.0; its environment is built first, if need be."""
    return Peer(ready())


@pytest.fixture(scope="session")
def experiments(peer: Peer) -> Experiments:
    """What AudioCraft has trained, or will."""
    return Experiments(peer)

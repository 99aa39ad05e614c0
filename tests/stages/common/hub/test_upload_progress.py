"""What is told while files are sent."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.files import file_digest
from pipeline.stage import Task
from stages.common.hub.repository import Repository
from stages.common.hub.uploading import upload
from stages.push.listing import SentFile
from tests.hub import Hub

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

PART = 1_000_000


class Told:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.done = 0
        self.total: int | None = None

    @contextmanager
    def task(self, label: str, total: int | None = None, unit: str = "bytes") -> Iterator[Task]:
        self.total = total
        yield self

    def note(self, text: str) -> None: ...

    def advance(self, step: int) -> None:
        self.done += step

    def say(self, text: str) -> None:
        self.texts.append(text)


@pytest.fixture
def repository(hub: Hub, logged_in: None) -> Repository:
    hub.seed("lab/small", {})
    return Repository("lab/small", hub.endpoint)


def parcel(folder: Path, name: str, size: int) -> SentFile:
    path = folder / name
    path.write_bytes(os.urandom(size))
    digest = file_digest(path)
    return SentFile(name, path, digest.size, digest.sha256)


@pytest.mark.parametrize("fault", [False, True], ids=["smoothly", "with a part sent twice"])
def test_each_file_tells_how_far_it_is(hub, repository, tmp_path, fault):
    hub.part_size = PART
    if fault:
        hub.faults.add("lfs-upload-part", status=503)
    parcels = [parcel(tmp_path, "state_dict.bin", 3 * PART), parcel(tmp_path, "codec.bin", 0)]
    told = Told()

    upload(repository, parcels, told, revision="main")

    assert told.total == told.done == 3 * PART
    first, *shares = [text for text in told.texts if not text.startswith("codec.bin ")]
    assert first == "state_dict.bin, codec.bin"
    assert shares[-1] == "state_dict.bin 100 %"
    # A line for each percent, not for each block that is read.
    assert len(shares) < 250 and all(text.startswith("state_dict.bin ") for text in shares)
    assert "state_dict.bin 50 %" in shares or "state_dict.bin 51 %" in shares

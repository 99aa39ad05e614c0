"""Files in torch's form from before 1.6."""

import errno
import io
import os
import pickle
from collections import OrderedDict, defaultdict
from pathlib import Path

import pytest
import torch

from pipeline.errors import FormatError, OutputError
from stages.common import legacy
from stages.common.archive import is_zip
from stages.common.checkpoint import Checkpoint
from tests import exports
from tests.experiments import write_exported, write_lm_experiment
from tests.exports import same, source

small_disk = exports.small_disk


def old(path: Path, value: object) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=False)
    return path


def test_an_old_export_becomes_an_archive_with_the_same_content(tmp_path):
    checkpoint = write_lm_experiment(tmp_path, epochs=1) / "checkpoint.th"
    path = write_exported(tmp_path / "state_dict.bin", checkpoint, "legacy")
    target = tmp_path / "checkpoint.th"
    before = path.read_bytes()
    legacy.convert(path, target)
    assert is_zip(target) and path.read_bytes() == before
    assert same(source(target)["best_state"], source(path)["best_state"])
    with Checkpoint.open(target) as opened, Checkpoint.open(checkpoint) as original:
        assert (opened.form, opened.config) == ("exported", original.config)
        digest = original.states["best"].digest()
        assert opened.states["best"].digest() == digest
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.th", "state_dict.bin", "xps"]


def test_a_whole_old_checkpoint(tmp_path):
    checkpoint = write_lm_experiment(tmp_path, epochs=1) / "checkpoint.th"
    path, target = old(tmp_path / "old.th", source(checkpoint)), tmp_path / "new.th"
    legacy.convert(path, target)
    with Checkpoint.open(target) as opened, Checkpoint.open(checkpoint) as original:
        assert opened.history == original.history
        for name in ("best", "ema", "last"):
            digests = [c.states[name].digest() for c in (opened, original)]
            assert digests[0] == digests[1]


def test_the_containers_that_checkpoints_are_made_of(tmp_path):
    held = {"a": defaultdict(dict, b=1), "o": OrderedDict(x=2), "p": Path("/x"), "t": (1, 2.0)}
    legacy.convert(old(tmp_path / "old.th", held), tmp_path / "new.th")
    loaded = source(tmp_path / "new.th")
    assert loaded == held and type(loaded["a"]) is dict


class Proof:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.path}'",)


def test_nothing_in_a_pickle_runs(tmp_path):
    path = old(tmp_path / "old.th", {"best_state": Proof(tmp_path / "proof")})
    with pytest.raises(FormatError, match=r"not safe to read: it names posix\.system"):
        legacy.convert(path, tmp_path / "new.th")
    assert [p.name for p in tmp_path.iterdir()] == ["old.th"]


@pytest.mark.parametrize("length", [40, 60, 200, 300, 3000])
def test_a_file_that_was_cut_off(tmp_path, length):
    path = old(tmp_path / "old.th", {"a": torch.zeros(5000)})
    os.truncate(path, length)
    with pytest.raises(FormatError) as error:
        legacy.convert(path, tmp_path / "new.th")
    assert len(str(error.value).splitlines()) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["old.th"]


def test_a_tar_archive_is_refused(tmp_path):
    path = tmp_path / "tar.th"
    path.write_bytes(b"\0" * 257 + b"ustar" + b"\0" * 250)
    with pytest.raises(FormatError, match="tar archive"):
        legacy.convert(path, tmp_path / "new.th")


def test_a_plain_pickle_is_refused(tmp_path):
    path = tmp_path / "plain.th"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(FormatError, match="torch did not write it"):
        legacy.convert(path, tmp_path / "new.th")


def test_a_target_that_cannot_be_written_leaves_nothing(tmp_path):
    path, target = old(tmp_path / "old.th", {"a": 1}), tmp_path / "new.th"
    target.mkdir()
    with pytest.raises(OSError):
        legacy.convert(path, target)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new.th", "old.th"]


def test_a_disk_that_is_too_small_is_said_before_the_file_is_read(tmp_path_factory, small_disk):
    path = old(tmp_path_factory.mktemp("elsewhere") / "old.th", {"a": torch.zeros(50_000)})
    os.truncate(path, 150_000)  # torch could not read it
    with pytest.raises(OutputError, match="too full: 1.. kB are needed, 32.8 kB are free"):
        legacy.convert(path, small_disk / "new.th")
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_is_told_as_one(tmp_path_factory, small_disk):
    path = old(tmp_path_factory.mktemp("elsewhere") / "old.th", {"a": torch.zeros(7900)})
    assert path.stat().st_size < 32 << 10  # an archive of it is larger
    with pytest.raises(OSError) as error:
        legacy.convert(path, small_disk / "new.th")
    assert error.value.errno == errno.ENOSPC
    assert list(small_disk.iterdir()) == []


def test_an_interrupt_stays_one(tmp_path, monkeypatch):
    class Interrupted(io.BytesIO):
        def write(self, block):
            if len(block) > 1000:
                raise KeyboardInterrupt
            return super().write(block)

    path = old(tmp_path / "old.th", {"a": torch.zeros(7900)})
    monkeypatch.setattr(legacy.files, "new_file", lambda _: Interrupted())
    with pytest.raises(KeyboardInterrupt):
        legacy.convert(path, tmp_path / "new.th")

import fcntl
import os

import pytest

from pipeline.errors import TrainingError
from stages.train.lock import Holder, hold


def free(path) -> bool:
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def test_the_lock_is_held_for_the_block_and_its_file_stays(tmp_path):
    path = tmp_path / "1a2b3c4d.lock"
    with hold(path, "toy", print):
        assert not free(path)
        holder = Holder.read(path)
        assert holder is not None and (holder.pid, holder.package) == (os.getpid(), "toy")
    assert free(path)


def test_an_inherited_descriptor_keeps_the_lock(tmp_path):
    path = tmp_path / "1a2b3c4d.lock"
    with hold(path, "toy", print) as lock:
        inherited = os.dup(lock.descriptor)
    assert not free(path)
    os.close(inherited)
    assert free(path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', "\xff"])
def test_a_lock_file_that_a_kill_cut_short_is_no_obstacle(tmp_path, content):
    path = tmp_path / "1a2b3c4d.lock"
    path.write_text(content, encoding="latin-1")
    assert Holder.read(path) is None
    with hold(path, "toy", print):
        pass


def test_another_package_s_experiment_is_refused_and_stays_theirs(tmp_path):
    path = tmp_path / "1a2b3c4d.lock"
    with hold(path, "toy", print):
        pass
    with pytest.raises(TrainingError, match="other and toy"), hold(path, "other", print):
        pass
    holder = Holder.read(path)
    assert holder is not None and holder.package == "toy"
    assert free(path)


def test_an_error_in_the_block_frees_the_lock(tmp_path):
    path = tmp_path / "1a2b3c4d.lock"
    with pytest.raises(KeyError), hold(path, "toy", print):
        raise KeyError
    assert free(path)

import tempfile
from pathlib import Path

import pytest

from pipeline.errors import TrainingError
from stages.train.plain import plain_name


def test_a_plain_folder_keeps_its_name():
    folder = Path("/some/folder with a space-1.2+x")
    with plain_name(folder) as name:
        assert name == folder


def test_an_awkward_folder_is_reached_through_a_plain_link(ugly):
    with plain_name(ugly) as name:
        assert name.samefile(ugly)
        (name / "written").touch()
    assert (ugly / "written").exists()
    assert not name.parent.exists()


@pytest.mark.parametrize("character", "'\"é=,([{#&~$\n\\")
def test_every_awkward_character_is_recognised(character, tmp_path):
    folder = tmp_path / f"a{character}b"
    folder.mkdir()
    with plain_name(folder) as name:
        assert name != folder


def test_an_awkward_temporary_folder_is_said_so(ugly, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(ugly))
    with pytest.raises(TrainingError, match="TMPDIR"), plain_name(ugly):
        pass

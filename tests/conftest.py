from pathlib import Path

import pytest

from tests.command import Place, make_place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with an LM experiment, its codec, and nothing released yet."""
    return make_place(tmp_path)


@pytest.fixture
def ugly(tmp_path: Path) -> Path:
    """A folder whose name has all that breaks careless code."""
    folder = tmp_path / 'it\'s a "día" ünï [1] $HOME {x}'
    folder.mkdir()
    return folder

import json
from pathlib import Path

import pytest

from stages.common.heard import Heard, heard_in


def folder_with(tmp_path: Path, listed: object) -> Path:
    folder = tmp_path / "samples"
    folder.mkdir()
    for name in ("b.wav", "a.wav", "a-mel.png"):
        (folder / name).write_bytes(b"")
    (folder / "samples.json").write_text(json.dumps({"samples": listed}))
    return folder


def test_sounds_come_in_the_order_of_their_list(tmp_path: Path):
    first = {"file": "b.wav", "title": "b", "prompt": "rain", "seed": 3, "seconds": 2.0}
    folder = folder_with(tmp_path, [first, {"file": "a.wav", "pictures": ["a-mel.png", "c.png"]}])
    assert heard_in(folder) == (
        Heard("samples/b.wav", "b", "rain", ("seed 3", "2 s")),
        Heard("samples/a.wav", "a", pictures=("samples/a-mel.png",)),
    )


@pytest.mark.parametrize("name", ["../secret.wav", "gone.wav", 7, None])
def test_what_is_no_file_of_the_folder_is_left_out(tmp_path: Path, name: object):
    (tmp_path / "secret.wav").write_bytes(b"")
    assert heard_in(folder_with(tmp_path, [{"file": name}])) == ()


@pytest.mark.parametrize("listed", [7, None])
def test_without_a_list_every_wav_is_taken(tmp_path: Path, listed: object):
    found = heard_in(folder_with(tmp_path, listed))
    assert [sound.file for sound in found] == ["samples/a.wav", "samples/b.wav"]


def test_no_folder_has_no_sounds(tmp_path: Path):
    assert heard_in(tmp_path / "samples") == ()

"""``python -m pipeline.unpack``: from one file to two."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import OutputError
from pipeline.files import file_digest
from pipeline.layout import ALL_IN_ONE, COMPRESSION, STATE_DICT
from pipeline.unpack import main, unpack
from stages.common.one_file import join
from stages.export_compression import ExportCompression
from stages.export_lm import ExportLM
from tests.experiments import write_encodec_experiment, write_lm_experiment
from tests.exports import collected, compression, export

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Give the two original files, and the one that was joined from them."""
    root = tmp_path_factory.mktemp("made")
    write_lm_experiment(root)
    write_encodec_experiment(root)
    bench = collected(root, sig="1a2b3c4d", dora_dir=str(root))
    bench.do(ExportLM(export()))
    bench.do(ExportCompression(compression(), export()))
    lm, codec = bench.run.export_lm.state_dict, bench.run.export_compression.compression
    join(lm, codec, root / ALL_IN_ONE)
    return lm, codec, root / ALL_IN_ONE


@pytest.fixture
def release(made, tmp_path):
    """Give a folder with a joined file of its own."""
    (tmp_path / ALL_IN_ONE).hardlink_to(made[2])
    return tmp_path


def test_the_command(made, release):
    command = [sys.executable, "-m", "pipeline.unpack", str(release / ALL_IN_ONE)]
    done = subprocess.run(
        [*command, str(release / "a new" / "folder")], capture_output=True, text=True, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (0, "")
    for line, original in zip(done.stdout.splitlines(), made[:2], strict=True):
        sha256, path = line.split("  ", 1)
        assert file_digest(Path(path)) == file_digest(original)
        assert sha256 == file_digest(original).sha256


def test_by_default_beside_the_file_which_may_be_given_by_its_folder(made, release):
    digests = unpack(release)
    assert digests == {
        release / STATE_DICT: file_digest(made[0]),
        release / COMPRESSION: file_digest(made[1]),
    }


@pytest.mark.parametrize("name", [STATE_DICT, COMPRESSION])
def test_what_is_there_stays(release, name, capsys):
    (release / name).write_text("precious")
    assert main([str(release)]) == 1
    assert (release / name).read_text() == "precious"
    assert sorted(p.name for p in release.iterdir()) == sorted([ALL_IN_ONE, name])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) <= 3
    assert str(release / name) in lines[1]


def test_a_file_that_is_not_there(tmp_path, capsys):
    assert main([str(tmp_path / "all_in_on.pt")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "all_in_on.pt" in captured.err
    assert len(captured.err.splitlines()) <= 3


def test_a_file_of_another_kind(made, tmp_path, capsys):
    for path in (made[0], Path(__file__)):
        assert main([str(path), str(tmp_path)]) == 1
        assert len(capsys.readouterr().err.splitlines()) <= 3
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be(release):
    (release / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write"):
        unpack(release, release / "file" / "folder")

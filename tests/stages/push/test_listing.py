import hashlib
import subprocess
from pathlib import Path

import pytest

from pipeline.errors import PushError
from stages.push.listing import list_release, text_size
from tests.releases import Fabricated, fabricate, package, write_samples


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    made = fabricate(tmp_path)
    made.make(package())
    return made


def test_everything_of_a_release_is_listed_and_nothing_else(made: Fabricated) -> None:
    release = made.run.release
    (release.root / "notes.txt").write_text("mine")
    write_samples(release, {"0.wav": b"RIFF"})
    (release.samples / "private.wav").write_bytes(b"RIFF")
    listed = list_release(release)
    assert [file.name for file in listed] == [
        "README.md",
        "SHA256SUMS",
        "compression_state_dict.bin",
        "release.json",
        "samples/0.wav",
        "samples/samples.json",
        "state_dict.bin",
    ]
    for file in listed:
        content = file.path.read_bytes()
        assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_weights_are_named_by_sha256_and_texts_as_git_names_them(made: Fabricated) -> None:
    files = {file.name: file for file in list_release(made.run.release)}
    assert files["state_dict.bin"].etag == files["state_dict.bin"].sha256
    card = files["README.md"]
    git = ["git", "hash-object", "--no-filters", str(card.path)]
    told = subprocess.run(git, check=True, capture_output=True, text=True).stdout.strip()
    assert card.etag == card.git_blob == told


def test_a_release_with_a_file_missing_is_not_sent(made: Fabricated) -> None:
    made.run.release.compression.unlink()
    with pytest.raises(PushError, match="force=package"):
        list_release(made.run.release)


def test_samples_that_nothing_lists_are_not_sent(made: Fabricated) -> None:
    made.run.release.samples.mkdir()
    (made.run.release.samples / "private.wav").write_bytes(b"RIFF")
    assert not [f for f in list_release(made.run.release) if f.name.startswith("samples/")]


def test_a_sample_that_is_not_as_listed_is_not_sent(made: Fabricated) -> None:
    release = made.run.release
    write_samples(release, {"0.wav": b"RIFF"})
    (release.samples / "0.wav").write_bytes(b"RIFX")
    with pytest.raises(PushError, match=r"samples/0.wav is not what samples/samples.json says"):
        list_release(release)
    (release.samples / "0.wav").unlink()
    with pytest.raises(PushError, match="not complete"):
        list_release(release)


def test_a_list_of_samples_that_leads_elsewhere_is_not_followed(made: Fabricated) -> None:
    release = made.run.release
    write_samples(release, {"../secret": b"mine"})
    with pytest.raises(PushError, match="which is no sample"):
        list_release(release)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (24_700_000, "24.7 MB"), (3e9, "3.00 GB")],
)
def test_sizes_read_as_on_the_hub(size: int, text: str) -> None:
    assert text_size(size) == text

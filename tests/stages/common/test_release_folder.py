"""A release folder against what it says of itself."""

import json

import pytest

from pipeline.layout import STAGE_JSON, ExportFolder
from pipeline.record import StageRecord
from pipeline.stage import Record
from stages.common.release_folder import accepted_beside, is_release, read_release, weights_in
from tests.releases import LM, fabricate, package


@pytest.fixture
def folder(tmp_path):
    made = fabricate(tmp_path / "outputs")
    made.make(package())
    return made.run.release.root


def faults(folder, **options):
    return [(r.severity, r.what) for r in read_release(folder, **options)[1]]


def test_a_whole_one(folder):
    release, remarks = read_release(folder)
    assert remarks == []
    assert (release.folder, release.name, release.version) == (folder, "musicgen_small", "1.0.0")
    assert release.source["signature"] == "9370b59c"
    assert release.settings["export_lm"]["dtype"] == "float16"
    assert {file.name: file.verdict for file in release.files} == {
        "README.md": "",
        "SHA256SUMS": "",
        "compression_state_dict.bin": "as listed",
        "release.json": "",
        "state_dict.bin": "as listed",
    }
    assert {f.name: f.size for f in release.files} == {
        path.name: path.stat().st_size for path in folder.iterdir()
    }
    assert is_release(folder)
    assert [path.name for path in weights_in(folder)] == [
        "state_dict.bin", "compression_state_dict.bin",
    ]  # fmt: skip


def test_a_missing_file(folder):
    (folder / "state_dict.bin").unlink()
    assert faults(folder) == [("problem", "state_dict.bin is missing, release.json lists it.")]
    assert faults(folder, whole=False) == []


def test_a_file_of_another_size(folder):
    with (folder / "state_dict.bin").open("ab") as file:
        file.write(b"!")
    (fault,) = faults(folder)
    assert fault == ("problem", "state_dict.bin has 18001 bytes, release.json says 18000.")


def test_a_file_that_nothing_lists(folder):
    (folder / "notes.txt").touch()
    (folder / ".gitattributes").touch()
    (fault,) = faults(folder)
    assert fault[0] == "hint" and fault[1].startswith("notes.txt")


def test_sums_of_other_files(folder):
    sums = (folder / "SHA256SUMS").read_text().splitlines()
    (folder / "SHA256SUMS").write_text("\n".join([*sums[1:], f"{'0' * 64}  other"]) + "\n")
    assert faults(folder) == [
        ("problem", "compression_state_dict.bin is in release.json, but not in SHA256SUMS."),
        ("problem", "other is in SHA256SUMS, but not in release.json."),
    ]


@pytest.mark.parametrize(("text", "told"), [(None, "is missing"), ("x\n", "Line 1")])
def test_sums_that_are_not_there_or_cannot_be_read(folder, text, told):
    (folder / "SHA256SUMS").unlink()
    if text:
        (folder / "SHA256SUMS").write_text(text)
    (fault,) = faults(folder)
    assert fault[0] == "problem" and told in fault[1]


@pytest.mark.parametrize("text", ["{", "[]", '{"files": []}', "\udcff"])
def test_a_manifest_that_cannot_be_read(folder, text):
    (folder / "release.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    (fault,) = faults(folder)
    assert fault[0] == "problem" and "release.json" in fault[1]


def test_odd_values_in_a_manifest_are_no_crash(folder):
    manifest = json.loads((folder / "release.json").read_text())
    manifest |= {"name": 7, "source": [1], "settings": None}
    manifest["files"]["state_dict.bin"] = "large"
    (folder / "release.json").write_text(json.dumps(manifest))
    release, remarks = read_release(folder)
    assert (release.name, release.source, release.settings, remarks) == (None, {}, {}, [])


def test_what_others_publish(tmp_path):
    assert not is_release(tmp_path)
    (tmp_path / "state_dict.bin").touch()
    assert is_release(tmp_path)
    assert [severity for severity, _ in faults(tmp_path)] == ["hint"]


LET_IN = {"dtype": "float16", "nonfinite": ["a", "b"], "overflowed": ["b"]}


def test_what_the_export_let_in_is_told(tmp_path):
    made = fabricate(tmp_path / "outputs", lm={**LM, **LET_IN})
    made.make(package())
    (hint,) = read_release(made.run.release.root)[1]
    assert (hint.severity, hint.what, hint.remedy) == (
        "hint",
        "The language model: NaN or Inf in 1 tensor: a; Inf by the cast to float16 in 1 tensor: b; "
        "export.allow_nonfinite=true accepted it.",
        "take another state or epoch: checkpoint.state=ema, checkpoint.epoch=N; "
        "take a dtype with a wider range: export.dtype=bfloat16",
    )
    assert list(accepted_beside(made.run.release.state_dict)) == [hint]
    assert list(accepted_beside(made.run.release.compression)) == []


def test_what_an_export_let_in_that_is_not_packaged_yet(tmp_path):
    folder = ExportFolder(tmp_path)
    folder.state_dict.touch()
    record = StageRecord("export_lm", "", {}, Record(LET_IN), {})
    (tmp_path / STAGE_JSON).write_text(record.to_json())
    told = [remark.what for remark in read_release(tmp_path)[1]]
    assert told[0].startswith("The language model: NaN or Inf in 1 tensor: a; ")
    assert [remark.what for remark in accepted_beside(folder.state_dict)] == told[:1]
    (tmp_path / STAGE_JSON).write_text("[]")
    assert not list(accepted_beside(folder.state_dict))

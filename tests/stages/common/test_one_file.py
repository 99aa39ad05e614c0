"""Two files in one, and back to the same two, byte by byte."""

import pytest
import torch

from pipeline.errors import FormatError
from pipeline.files import file_digest
from pipeline.layout import ALL_IN_ONE, COMPRESSION, STATE_DICT
from stages.common.one_file import join, split
from stages.export_compression import ExportCompression
from stages.export_lm import ExportLM
from tests.experiments import write_encodec_experiment, write_lm_experiment
from tests.exports import collected, compression, export, load, same

REFERENCE = compression("reference", pretrained="facebook/encodec_32khz")


@pytest.fixture(scope="module", params=["weights", "reference"])
def two(request, tmp_path_factory):
    """Give the two exported files, once for each form of the codec."""
    root = tmp_path_factory.mktemp(request.param)
    write_lm_experiment(root)
    write_encodec_experiment(root)
    bench = collected(root, sig="1a2b3c4d", dora_dir=str(root))
    settings = export(dtype="float16")
    bench.do(ExportLM(settings))
    codec = compression() if request.param == "weights" else REFERENCE
    bench.do(ExportCompression(codec, settings))
    return bench.run.export_lm.state_dict, bench.run.export_compression.compression


def test_split_undoes_join(tmp_path, two):
    joined = tmp_path / ALL_IN_ONE
    assert join(*two, joined) == file_digest(joined)
    digests = split(joined, tmp_path)
    for path, name in zip(two, (STATE_DICT, COMPRESSION), strict=True):
        assert (tmp_path / name).read_bytes() == path.read_bytes()
        assert digests[name] == file_digest(path)


def test_the_one_file_is_the_language_models_with_one_key_more(tmp_path, two):
    join(*two, tmp_path / ALL_IN_ONE)
    joined, lm, codec = load(tmp_path / ALL_IN_ONE), load(two[0]), load(two[1])
    assert list(joined)[:4] == list(lm)
    assert same(joined["best_state"], lm["best_state"])
    if "pretrained" in codec:
        assert joined["pretrained"] == codec["pretrained"]
    else:
        assert same(joined["compression"].pop("best_state"), codec.pop("best_state"))
        assert joined["compression"] == codec


def test_progress_is_told_in_bytes(tmp_path, two):
    steps: list[int] = []
    digest = join(*two, tmp_path / ALL_IN_ONE, steps.append)
    assert 0 < sum(steps) <= digest.size
    assert sum(path.stat().st_size for path in two) * 0.5 < sum(steps)


def test_only_exported_files_are_joined(tmp_path, two):
    lm, codec = two
    checkpoint = write_lm_experiment(tmp_path, "0a0a0a0a") / "checkpoint.th"
    for pair in ((checkpoint, codec), (lm, checkpoint)):
        with pytest.raises(FormatError, match="exported model"):
            join(*pair, tmp_path / ALL_IN_ONE)
    assert not (tmp_path / ALL_IN_ONE).exists()


@pytest.mark.parametrize("content", [{"a": 1}, [1, 2], {"best_state": {}, "pretrained": "x"}])
def test_only_a_joined_file_is_split(tmp_path, content):
    with (tmp_path / "other.pt").open("wb") as file:
        torch.save(content, file)
    with pytest.raises(FormatError, match="all_in_one.pt"):
        split(tmp_path / "other.pt", tmp_path)


def test_two_versions_do_not_go_into_one_file(tmp_path, two):
    lm, codec = two
    if "pretrained" not in load(codec):
        return
    other = load(codec) | {"version": "1.4.0"}
    with (tmp_path / COMPRESSION).open("wb") as file:
        torch.save(other, file)
    with pytest.raises(FormatError, match="1.4.0"):
        join(lm, tmp_path / COMPRESSION, tmp_path / ALL_IN_ONE)

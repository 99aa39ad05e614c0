"""Several files with an index, where one would be too large."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
import torch
from safetensors.torch import save

from pipeline.files import file_digest
from stages.common.tensor_file import TensorFile
from stages.export_transformers.pieces import Piece
from stages.export_transformers.shards import INDEX, MODEL, size_of, write_model

SIZES = {"c": 300, "a": 100, "d": 50, "b": 100}
"""Floats of each tensor."""


@contextmanager
def pieces(folder):
    path = folder / "source"
    path.write_bytes(save({name: torch.randn(size) for name, size in SIZES.items()}))
    with TensorFile.open(path) as file:
        yield {name: Piece(tensor) for name, tensor in file.tensors.items()}


def test_one_file_has_no_index(tmp_path):
    with pieces(tmp_path) as held:
        digests = write_model(tmp_path, held)
        assert size_of(held) == (tmp_path / MODEL).stat().st_size
    assert digests == {MODEL: file_digest(tmp_path / MODEL)}


@pytest.mark.parametrize(
    ("limit", "shards"),
    [
        (800, [["a", "b"], ["c"], ["d"]]),
        (2200, [["a", "b", "c", "d"]]),
        (2199, [["a", "b", "c"], ["d"]]),
        (1, [["a"], ["b"], ["c"], ["d"]]),
    ],
)
def test_files_are_filled_up_to_the_limit(tmp_path, limit, shards):
    with pieces(tmp_path) as held:
        digests = write_model(tmp_path, held, limit=limit)
    found = []
    for name in sorted(name for name in digests if name != INDEX):
        with TensorFile.open(tmp_path / name) as file:
            found.append(sorted(file.tensors))
    assert found == shards
    assert digests == {name: file_digest(tmp_path / name) for name in digests}
    if len(shards) > 1:
        index = json.loads((tmp_path / INDEX).read_text())
        assert index["metadata"] == {"total_size": 4 * sum(SIZES.values())}
        assert set(index["weight_map"]) == set(SIZES)
        assert index["weight_map"]["a"] == f"model-00001-of-{len(shards):05}.safetensors"


def test_transformers_loads_several_files(tmp_path):
    from transformers import EncodecConfig, EncodecModel

    torch.manual_seed(1)
    model = EncodecModel(EncodecConfig(hidden_size=8, num_filters=2, codebook_size=64))
    model.save_pretrained(tmp_path / "whole")
    (tmp_path / "several").mkdir()
    config = (tmp_path / "whole" / "config.json").read_bytes()
    (tmp_path / "several" / "config.json").write_bytes(config)
    with TensorFile.open(tmp_path / "whole" / MODEL) as file:
        held = {name: Piece(tensor) for name, tensor in file.tensors.items()}
        assert len(write_model(tmp_path / "several", held, limit=20_000)) > 3
    loaded, found = EncodecModel.from_pretrained(tmp_path / "several", output_loading_info=True)
    assert not found["missing_keys"] and not found["unexpected_keys"]
    own = model.state_dict()
    assert all(torch.equal(own[name], t) for name, t in loaded.state_dict().items())

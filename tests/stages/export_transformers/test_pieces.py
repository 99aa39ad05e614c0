"""Tensors made of rows of others, and of rows that fill up."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from safetensors.torch import save as save_safely

from pipeline.errors import FormatError
from stages.common.archive import Archive
from stages.common.renaming import Padding, Part
from stages.common.stored import StoredTensor
from stages.common.tensor_file import TensorFile
from stages.common.tensor_writer import write_tensors
from stages.export_transformers.pieces import pieces_of
from tests.archives import saved

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def written(tmp_path, tensor, parts):
    """Give what ``parts`` of a tensor in an archive become in a file of safetensors."""
    path = tmp_path / "made.safetensors"
    with Archive.open(saved(tmp_path / "source", {"x": tensor})) as archive:
        stored = {name: StoredTensor(archive, ref, name) for name, ref in archive.root.items()}
        write_tensors(path, pieces_of(stored, parts, "p."))
    return load_file(path)


@pytest.mark.parametrize("stored", ["whole", "a view", "transposed"])
def test_parts_are_rows(tmp_path, stored):
    whole = torch.arange(24.0).view(12, 2)
    tensor = {"whole": whole, "a view": whole[3:9], "transposed": whole.T}[stored]
    third = len(tensor) // 3 or 1
    parts = {str(n): Part("x", slice(n * third, (n + 1) * third)) for n in range(len(tensor))[:3]}
    found = written(tmp_path, tensor, parts)
    assert len(found) == min(3, len(tensor))
    for name, part in parts.items():
        assert torch.equal(found[f"p.{name}"], tensor[part.rows])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("value", [1.0, 1e4])
def test_rows_that_fill_up_are_as_torch_rounds_them(tmp_path, dtype, value):
    tensor = torch.arange(6).view(2, 3).to(dtype)
    found = written(tmp_path, tensor, {"x": Part("x", None, Padding(2, value))})["p.x"]
    assert found.dtype == dtype and torch.equal(found[:2], tensor)
    assert torch.equal(found[2:], torch.full((2, 3), value, dtype=dtype))


def test_a_scalar_in_each_row_is_filled_up_too(tmp_path):
    found = written(tmp_path, torch.tensor([5.0]), {"x": Part("x", None, Padding(3, 1.0))})
    assert found["p.x"].tolist() == [5, 1, 1, 1]


def test_a_whole_number_has_nothing_far_away(tmp_path):
    with pytest.raises(FormatError, match="int64"):
        written(tmp_path, torch.tensor([5]), {"x": Part("x", None, Padding(3, 1.0))})


def test_rows_are_not_taken_from_safetensors(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(save_safely({"x": torch.zeros(4)}))
    with TensorFile.open(path) as file, pytest.raises(FormatError, match="Rows"):
        pieces_of(file.tensors, {"y": Part("x", slice(0, 2))}, "")

"""Elements of every dtype as the numbers that torch takes them for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stages.common.archive import Archive
from stages.common.elements import NUMBERS, numbers_in, side_by_side
from stages.common.stored import StoredTensor
from tests.archives import DTYPES, saved

EIGHT = sorted(name for name in NUMBERS if name.startswith("float8"))


@pytest.mark.parametrize("dtype", EIGHT)
def test_all_256_codes_of_eight_bits_are_those_of_torch(dtype: str):
    codes = torch.arange(256, dtype=torch.uint8)
    expected = codes.view(getattr(torch, dtype)).to(torch.float64)
    found = torch.from_numpy(numbers_in(memoryview(codes.numpy()).cast("B"), dtype))
    assert torch.equal(found.isnan(), expected.isnan())
    assert torch.equal(found[~found.isnan()], expected[~expected.isnan()])
    assert torch.equal(found.signbit()[~found.isnan()], expected.signbit()[~expected.isnan()])


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_that_torch_can_fill_is_numbers(dtype: str):
    bits = torch.arange(0, 64, dtype=torch.uint8)
    tensor = (bits % 2 if dtype == "bool" else bits).view(getattr(torch, dtype))
    found = torch.from_numpy(numbers_in(memoryview(bits.numpy()).cast("B"), dtype))
    if tensor.is_complex():
        single = tensor.to(torch.complex128)
        assert torch.equal(found.view(-1, 2), torch.view_as_real(single))
    elif dtype != "bool":
        assert torch.equal(found, tensor.to(torch.float64))


def test_two_dtypes_go_side_by_side_element_by_element(tmp_path: Path):
    numbers = torch.arange(700_000, dtype=torch.float32)
    path = saved(tmp_path / "both.th", {"one": numbers, "other": numbers.double()})
    with Archive.open(path) as archive:
        one, other = (StoredTensor(archive, archive.root[name], name) for name in ("one", "other"))
        pieces = list(side_by_side(one, other))
    assert len(pieces) > 2
    for left, right in pieces:
        assert (numbers_in(left, "float32") == numbers_in(right, "float64")).all()
    assert sum(len(left) for left, _ in pieces) == numbers.nbytes

"""Files of safetensors, against its own library."""

import hashlib
import json
import struct

import pytest
import torch
from safetensors.torch import load_file, save

from pipeline.errors import FormatError
from stages.common.tensor_file import TensorFile
from stages.common.tensor_writer import write_tensors

DTYPES = [
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32),
    *(torch.int64, torch.uint64, torch.float16, torch.bfloat16, torch.float32, torch.float64),
]


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(3)
    made = {}
    for place, dtype in enumerate(DTYPES):
        made[f"b.{place}"] = (torch.rand(3, 5, generator=generator) * 9).to(dtype)
        made[f"a.{place} é"] = (torch.rand(7, generator=generator) * 9).to(dtype)
    return made | {"none": torch.empty(0, 4), "one": torch.tensor(1.5)}


@pytest.fixture
def written(tmp_path, tensors):
    path = tmp_path / "model.safetensors"
    path.write_bytes(save(tensors, metadata={"format": "pt"}))
    return path


def test_the_bytes_are_those_of_the_library(written, tmp_path):
    copy = tmp_path / "copy.safetensors"
    with TensorFile.open(written) as file:
        digest = write_tensors(copy, file.tensors)
    content = written.read_bytes()
    assert copy.read_bytes() == content
    assert (digest.size, digest.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_library_reads_what_was_written(tmp_path, written, tensors):
    copy = tmp_path / "copy.safetensors"
    with TensorFile.open(written) as file:
        write_tensors(copy, {f"x.{name}": tensor for name, tensor in file.tensors.items()})
    loaded = load_file(copy)
    assert {name: t.dtype for name, t in loaded.items()} == {
        f"x.{name}": t.dtype for name, t in tensors.items()
    }
    assert all(torch.equal(loaded[f"x.{name}"], tensor) for name, tensor in tensors.items())


def test_more_than_a_block_is_read_whole(tmp_path):
    big = {"big": torch.arange(700_000, dtype=torch.int32)}
    path = tmp_path / "big.safetensors"
    path.write_bytes(save(big, metadata={"format": "pt"}))
    with TensorFile.open(path) as file:
        tensor = file.tensors["big"]
        blocks = list(tensor.blocks())
        assert len(blocks) == 3
        assert b"".join(map(bytes, blocks)) == big["big"].numpy().tobytes()


@pytest.mark.parametrize("lost", [1, 100, -1])
def test_a_file_that_is_cut_off_or_too_long_is_no_file(written, lost):
    content = written.read_bytes()
    written.write_bytes(content[:-lost] if lost > 0 else content + b"x")
    with pytest.raises(FormatError, match="cut off" if lost > 0 else "behind its last"):
        TensorFile.open(written)


@pytest.mark.parametrize("length", [0, 4, 8, 40])
def test_a_file_that_ends_in_its_header_is_no_file(written, length):
    written.write_bytes(written.read_bytes()[:length])
    with pytest.raises(FormatError):
        TensorFile.open(written)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
        {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]},
        "no entry",
    ],
)
def test_a_header_that_lies_is_refused(tmp_path, entry):
    path = tmp_path / "lies.safetensors"
    text = json.dumps({"x": entry}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 8)
    with pytest.raises(FormatError):
        TensorFile.open(path)


def test_a_file_that_is_cut_short_while_it_is_read_is_not_taken_for_whole(tmp_path, written):
    copy = tmp_path / "copy.safetensors"
    with TensorFile.open(written) as file:
        with written.open("r+b") as other:
            other.truncate(written.stat().st_size - 8)
        with pytest.raises(FormatError, match="cut short"):
            write_tensors(copy, file.tensors)
    assert list(tmp_path.iterdir()) == [written]

"""Reading what torch saved: the same values and bytes, without torch; and damage, by name."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import tarfile
import tracemalloc
import zlib
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import FormatError
from stages.common.archive import Archive, is_legacy, is_tar, is_zip
from stages.common.tensors import ITEMSIZE, TensorRef
from tests.archives import DTYPES, content, elements, packed, saved


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "it's a “checkpoint”.th"


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_comes_back(path: Path, dtype: str) -> None:
    raw = torch.arange(48, dtype=torch.uint8).view(getattr(torch, dtype))
    saved(path, {"weight": raw.reshape(3, -1)})

    with Archive.open(path) as archive:
        ref = archive.root["weight"]
        assert (ref.dtype, ref.shape, ref.whole) == (dtype, (3, 16 // ITEMSIZE[dtype]), True)
        assert content(archive, ref) == bytes(range(48))
        assert archive.crc(ref) == zlib.crc32(bytes(range(48)))


@pytest.mark.parametrize("protocol", range(1, 6))
def test_what_a_training_run_saves_becomes_plain(path: Path, protocol: int) -> None:
    model = torch.nn.Linear(3, 2)
    averages: Any = defaultdict(dict)
    averages["model"] = {"weight": model.weight.detach()}
    value = {
        "model": model.state_dict(),
        "parameter": model.bias,
        "ema": {"state": averages, "count": 3},
        "history": [{"train": {"ce": 7.25, "n": np.float64(0.5), "i": np.int32(-3)}}],
        "order": OrderedDict(a=1),
        "shape": torch.Size([2, 3]),
        "device": torch.device("cuda:1"),
        "dtype": torch.float16,
        "path": Path("/a/b"),
        "raw": b"\x00\xff",
        "empty": b"",
        "names": {"a"},
    }
    if protocol < 4:
        del value["dtype"]  # Torch cannot load it itself then.
    saved(path, value, pickle_protocol=protocol)

    with Archive.open(path) as archive:
        root = archive.root
        assert root["history"] == [{"train": {"ce": 7.25, "n": 0.5, "i": -3}}]
        assert content(archive, root["model"]["weight"]) == elements(model.weight.detach())
        assert content(archive, root["parameter"]) == elements(model.bias.detach())
        assert root["ema"]["state"]["model"]["weight"].shape == (2, 3)
        assert type(root["model"]) is type(root["ema"]["state"]) is type(root["order"]) is dict
        assert root["order"] == {"a": 1}
        assert root["shape"] == (2, 3)
        assert root["device"] == "cuda:1"
        assert root["path"] == "/a/b"
        assert (root["raw"], root["empty"], root["names"]) == (b"\x00\xff", b"", {"a"})


def test_parameters_with_attributes_and_lone_storages_come_back(path: Path) -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.note = "kept by torch"  # type: ignore[attr-defined]
    tensor = torch.zeros(3)
    tensor.note = "kept by torch"  # type: ignore[attr-defined]
    saved(
        path, {"p": parameter, "t": tensor, "s": torch.ones(2, dtype=torch.int16).untyped_storage()}
    )

    with Archive.open(path) as archive:
        refs = archive.root
        assert [refs[name].dtype for name in "pts"] == ["float32", "float32", "uint8"]
        assert content(archive, refs["s"]) == b"\1\0\1\0"


def test_tensors_over_one_storage_share_its_record(path: Path) -> None:
    flat = torch.arange(100.0)
    views = {"a": flat[:10], "b": flat[10:40].view(5, 6), "c": flat, "d": flat[::7], "e": flat[3:3]}
    saved(path, {**views, "f": views["b"].t(), "g": flat[:4].view(1, 4).expand(3, 4)})

    with Archive.open(path) as archive:
        assert {ref.record for ref in archive.root.values()} == {"0"}
        for name, view in {**views, "f": views["b"].t()}.items():
            assert content(archive, archive.root[name]) == elements(view)
            assert archive.crc(archive.root[name]) == zlib.crc32(elements(view))
        assert content(archive, archive.root["g"]) == elements(flat[:4]) * 3


@pytest.mark.parametrize(
    "view",
    [
        lambda big: big.t(),
        lambda big: big[:, ::2],
        lambda big: big.view(40, 20, 1000).permute(2, 0, 1),
        lambda big: big[:, :1],
        lambda big: big[700:, 3:900],
    ],
)
def test_large_views_are_gathered_in_small_steps(path: Path, view: Any) -> None:
    big = torch.arange(800_000, dtype=torch.int32).view(800, 1000)
    saved(path, {"view": view(big)})

    with Archive.open(path) as archive:
        steps = [bytes(block) for block in archive.blocks(archive.root["view"])]
    assert max(map(len, steps)) <= 1 << 20
    assert b"".join(steps) == elements(view(big))


def test_views_with_rows_of_many_megabytes_are_gathered(path: Path) -> None:
    view = (torch.arange(36_000_000) % 251).to(torch.uint8).view(2, -1)[:, ::2]
    saved(path, view)

    with Archive.open(path) as archive:
        assert content(archive, archive.root) == elements(view)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.randoms(), st.data())
def test_any_view_gives_its_elements(tmp_path_factory, lengths, random, draw) -> None:
    base = torch.arange(torch.Size(lengths).numel(), dtype=torch.int64).view(lengths)
    view = base.permute(random.sample(range(len(lengths)), len(lengths)))
    for dimension, length in enumerate(view.shape):
        first = draw.draw(st.integers(0, length))
        step = draw.draw(st.integers(1, 3))
        view = view.narrow(dimension, first, length - first)
        view = view[(slice(None),) * dimension + (slice(None, None, step),)]
    path = saved(tmp_path_factory.mktemp("any") / "view.pt", [view])

    with Archive.open(path) as archive:
        assert content(archive, archive.root[0]) == elements(view)


def test_lazy_views_are_refused_since_their_bytes_are_not_their_values(path: Path) -> None:
    saved(path, {"weight": torch.ones(2, dtype=torch.complex64).conj()})

    with Archive.open(path) as archive, pytest.raises(FormatError, match="lazy conjugate"):
        _ = archive.root


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (torch.ones(3).to_sparse(), "_rebuild_sparse_tensor"),
        (torch.empty(2, device="meta"), "_rebuild_meta_tensor_no_storage"),
        (torch.nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
    ],
)
@pytest.mark.filterwarnings("ignore:Sparse")
def test_other_objects_are_refused_by_name(path: Path, value: Any, name: str) -> None:
    saved(path, {"weight": value})

    with Archive.open(path) as archive, pytest.raises(FormatError, match=name):
        _ = archive.root


def test_a_flipped_bit_in_a_weight_is_found_and_named(path: Path) -> None:
    saved(path, {"a": torch.zeros(10), "b": torch.zeros(700_000)})
    with Archive.open(path) as archive:
        at = archive.records["data/1"].offset + 2_500_000
    raw = bytearray(path.read_bytes())
    raw[at] ^= 4
    path.write_bytes(raw)

    with Archive.open(path) as archive:
        a, b = archive.root["a"], archive.root["b"]
        assert content(archive, a) == bytes(40)
        part = TensorRef("1", "float32", 5, (3, 2), (2, 1), b.storage_numel)
        spread = TensorRef("1", "float32", 5, (3, 2), (1, 9), b.storage_numel)
        for ref in (b, part, spread):
            with pytest.raises(FormatError, match=r"the record data/1 is not as it was saved"):
                content(archive, ref)


def test_an_archive_saved_without_checksums_is_refused_with_the_reason(path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        saved(path, {"a": torch.ones(3)})
    finally:
        torch.serialization.set_crc32_options(True)

    with pytest.raises(FormatError, match="set_crc32_options"):
        Archive.open(path)


def test_a_file_cut_short_at_any_place_is_refused(path: Path) -> None:
    size = saved(path, {"a": torch.ones(3), "b": "text"}).stat().st_size

    for length in reversed(range(size)):
        os.truncate(path, length)
        with pytest.raises(FormatError):
            Archive.open(path)


def test_a_file_cut_short_while_it_is_read_is_our_error_and_no_signal(path: Path) -> None:
    saved(path, {"a": torch.ones(1_000_000)})

    with Archive.open(path) as archive:
        ref = archive.root["a"]
        with path.open("r+b") as file:
            file.truncate(100_000)
        with pytest.raises(FormatError, match="cut short"):
            content(archive, ref)


def test_any_flipped_bit_gives_an_error_or_the_same_value(path: Path) -> None:
    whole = saved(path, {"a": torch.arange(3), "b": ["text", 1.5]}).read_bytes()
    expected = _everything(path)

    with path.open("r+b", buffering=0) as file:
        for at, byte in enumerate(whole):
            os.pwrite(file.fileno(), bytes([byte ^ 1 << at % 8]), at)
            try:
                assert _everything(path) == expected
            except FormatError as error:
                assert str(path) in str(error)
            os.pwrite(file.fileno(), bytes([byte]), at)


def _everything(path: Path) -> Any:
    with Archive.open(path) as archive:
        root = archive.root
        return root, content(archive, root["a"])


@pytest.mark.parametrize(
    ("numel", "size", "shape", "stride", "offset"),
    [
        (4, 12, (4,), (1,), 0),
        (3, 16, (3,), (1,), 0),
        (4, 16, (5,), (1,), 0),
        (4, 16, (4,), (1,), 1),
        (4, 16, (2, 2), (3, 1), 0),
        (4, 16, (4,), (-1,), 3),
        (4, 16, (4,), (1,), -1),
        (4, 16, (True,), (1,), 0),
        (4, 16, (2.0,), (1,), 0),
        (4, 16, (2, 2), (1,), 0),
        (4, 16, [4], (1,), 0),
        (4, 16, (1 << 40,), (0,), 0),
        (4, 16, (1 << 62, 1), (1, 1), 0),
        (4, 16, (1,) * 65, (1,) * 65, 0),
        ("4", 16, (4,), (1,), 0),
    ],
)
def test_lying_sizes_are_refused(path, numel, size, shape, stride, offset) -> None:
    packed(
        path,
        _tensor_pickle(("storage", "torch FloatStorage", "0", "cpu", numel), offset, shape, stride),
        {"data/0": bytes(size)},
    )

    with Archive.open(path) as archive, pytest.raises(FormatError):
        _ = archive.root


@pytest.mark.parametrize(
    "reference",
    [
        ("storage", "torch FloatStorage", "1", "cpu", 4),
        ("storage", "torch FloatStorage", "../0", "cpu", 4),
        ("storage", "torch FloatStorage", 0, "cpu", 4),
        ("storage", "torch QInt8Storage", "0", "cpu", 16),
        ("storage", "torch float32", "0", "cpu", 4),
        ("module", "torch FloatStorage", "0", "cpu", 4),
        ("storage", "torch FloatStorage", "0", "cpu"),
        ("storage", 5, "0", "cpu", 4),
    ],
)
def test_storages_that_are_none_are_refused(path: Path, reference: Any) -> None:
    packed(path, _tensor_pickle(reference, 0, (4,), (1,)), {"data/0": bytes(16)})

    with Archive.open(path) as archive, pytest.raises(FormatError):
        _ = archive.root


def _tensor_pickle(reference: Any, offset: Any, shape: Any, stride: Any) -> bytes:
    """Write the pickle of one tensor by hand; the second item of the reference is a name."""
    storage = b"("
    for index, item in enumerate(reference):
        if index == 1 and isinstance(item, str):
            module, name = item.split()
            storage += f"c{module}\n{name}\n".encode()
        else:
            storage += pickle.dumps(item, 2)[2:-1]
    rest = b"".join(pickle.dumps(item, 2)[2:-1] for item in (offset, shape, stride))
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"tQ" + rest + b"\x89NtR."


FLOATS = b"ctorch\nFloatStorage\n"


@pytest.mark.parametrize(
    ("pickle_of_it", "match"),
    [
        (b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00))\x89NtR.", "without a storage"),
        (b"ctorch._utils\n_rebuild_tensor_v3\n(%bK\0))\x89Nctorch\nint8\ntR.", "int8 in a stor"),
        (b"ctorch._utils\n_rebuild_tensor_v3\n(%bK\0))\x89NX\1\0\0\0itR.", "unknown dtype i"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n(%bK\0K\1)\x89NtR.", "proper shape"),
        (b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch\nTensor\nN)NtR.", "subclass"),
        (b"cnumpy._core.multiarray\nscalar\nNN\x86R.", "numpy scalar"),
        (b"cpathlib\nPosixPath\nK\1\x85R.", "path"),
        (b"c__builtin__\nset\n](])K\1e\x85R.", "key"),
    ],
)
def test_pieces_that_do_not_fit_together_are_refused(path, pickle_of_it, match) -> None:
    storage = b"(X\7\0\0\0storage" + FLOATS + b"X\1\0\0\0" + b"0X\3\0\0\0cpuK\4tQ"
    packed(path, pickle_of_it.replace(b"%b", storage), {"data/0": bytes(16)})

    with Archive.open(path) as archive, pytest.raises(FormatError, match=match):
        _ = archive.root


def test_a_tensor_of_the_first_form_is_read(path: Path) -> None:
    storage = b"(X\7\0\0\0storage" + FLOATS + b"X\1\0\0\0" + b"0X\3\0\0\0cpuK\4tQ"
    first = b"ctorch._utils\n_rebuild_tensor\n(%bK\1K\3\x85K\1\x85tR.".replace(b"%b", storage)
    packed(path, first, {"data/0": bytes(16)})

    with Archive.open(path) as archive:
        assert archive.root == TensorRef("0", "float32", 1, (3,), (1,), 4)


def test_values_that_no_one_may_walk_through_are_refused_with_the_file(path: Path) -> None:
    circle: list[Any] = []
    circle.append(circle)
    saved(path, circle)

    with Archive.open(path) as archive, pytest.raises(FormatError, match="circle.*\n.*checkpoint"):
        _ = archive.root


def test_a_tensor_written_by_hand_is_read(path: Path) -> None:
    reference = ("storage", "torch FloatStorage", "0", "cpu", 4)
    packed(path, _tensor_pickle(reference, 0, (4,), (1,)), {"data/0": bytes(16)})

    with Archive.open(path) as archive:
        assert archive.root == TensorRef("0", "float32", 0, (4,), (1,), 4)


def test_an_archive_of_a_big_endian_machine_is_refused(path: Path) -> None:
    packed(path, b"N.", {"byteorder": b"big"})

    with pytest.raises(FormatError, match="big-endian"):
        Archive.open(path)


def test_what_is_no_archive_is_refused(path: Path, tmp_path: Path) -> None:
    for wrong in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FormatError, match="no such file"):
            Archive.open(wrong)
    path.write_bytes(b"hello")
    with pytest.raises(FormatError, match="not an archive"):
        Archive.open(path)


def test_the_three_forms_of_torch_are_told_apart(tmp_path: Path) -> None:
    new, old, oldest = (tmp_path / name for name in ("new", "old", "oldest"))
    saved(new, {"a": torch.ones(1)})
    saved(old, {"a": torch.ones(1)}, _use_new_zipfile_serialization=False)
    with tarfile.open(oldest, "w") as tar:
        tar.addfile(tarfile.TarInfo("storages"), io.BytesIO())

    kinds = [[is_zip(path), is_legacy(path), is_tar(path)] for path in (new, old, oldest, tmp_path)]
    assert kinds == [[True, False, False], [False, True, False], [False, False, True], [False] * 3]


def test_the_directory_digest_follows_the_content_and_not_the_name(tmp_path: Path) -> None:
    def digest(name: str, value: Any) -> str:
        path = tmp_path / name
        torch.save(value, path)  # To a path: the root has the file's name.
        with Archive.open(path) as archive:
            return archive.directory_digest

    assert digest("a.th", {"w": torch.ones(3)}) == digest("a.th", {"w": torch.ones(3)})
    assert digest("a.th", {"w": torch.ones(3)}) != digest("a.th", {"w": torch.zeros(3)})


def test_reading_imports_no_torch_and_closing_twice_is_fine(path: Path) -> None:
    saved(path, {"a": torch.ones(3)})
    code = (
        "import sys; from pathlib import Path; from stages.common.archive import Archive\n"
        f"with Archive.open(Path({str(path)!r})) as a: print(len(list(a.blocks(a.root['a']))))\n"
        "a.close(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split("\n")[:2] == ["1", "False"]


def test_memory_stays_small_whatever_the_size(path: Path) -> None:
    saved(path, {"a": torch.zeros(9000, 2000)[:, 1:], "b": torch.zeros(2000, 9000).t()})

    with Archive.open(path) as archive:
        tracemalloc.start()
        try:
            for ref in archive.root.values():
                assert sum(map(len, archive.blocks(ref))) == ref.nbytes
            assert tracemalloc.get_traced_memory()[1] < 32 << 20
        finally:
            tracemalloc.stop()

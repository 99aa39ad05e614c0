"""The same bytes as torch's own, verified on the way."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import files
from pipeline.errors import FormatError
from stages.common import writer
from stages.common.archive import Archive
from stages.common.casting import FLOATS, TARGETS
from stages.common.finite import EXPONENTS
from stages.common.packing import Packer
from stages.common.pickler import pickled
from stages.common.stored import StoredTensor
from stages.common.tensors import TensorRef
from stages.common.writer import Weight, size_of, write_archive
from tests.archives import DTYPES, content, elements, interned, saved, weights


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "a source's “file”.th"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "state_dict.bin"


def rewritten(source: Path, target: Path, dtype: str | None = None, finite: bool = False) -> bytes:
    """Write what is in one archive into another, and give the bytes."""
    with Archive.open(source) as archive:
        root = weights(archive, archive.root, dtype)
        written = write_archive(target, root, allow_nonfinite=not finite)
        assert size_of(root) == written.digest.size
    return target.read_bytes()


def unnumbered(raw: bytes) -> bytes:
    """Blank the one record that is ours to choose: its 40 digits, and their CRC in two places."""
    at = raw.index(b"archive/.data/serialization_id")
    digits = re.compile(rb"\d{40}").search(raw, at)
    assert digits is not None
    crc = raw[digits.end() + 4 : digits.end() + 8]
    start, last = digits.span()
    return raw[:start] + b"0" * 40 + raw[last:].replace(crc, bytes(4))


def assert_same_bytes(value: Any, source: Path, target: Path) -> None:
    torchs = saved(source, interned(value)).read_bytes()

    ours = rewritten(source, target)

    assert unnumbered(ours) == unnumbered(torchs)


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_bytes_are_those_of_torch_for_every_dtype(source, target, dtype: str) -> None:
    raw = torch.arange(96, dtype=torch.uint8).view(getattr(torch, dtype))

    assert_same_bytes({"a": raw.reshape(2, -1), "b": raw[:1].clone()}, source, target)


TIED = torch.arange(12.0)
STATES = {
    "an empty dict": {},
    "scalars": {"a": torch.tensor(1.5), "b": torch.tensor(True)},
    "empty tensors": {"a": torch.empty(0), "b": torch.empty(0, 4), "c": torch.empty(4, 0)},
    "many dimensions": {"a": torch.ones(1, 2, 3, 1, 2), "b": torch.ones(1, 1, 1, 1)},
    "tied tensors": {"a": TIED, "b": TIED.detach(), "c": TIED.view(3, 4), "d": torch.ones(2)},
    "tied, twelve storages in": {
        **{f"w{index}": torch.ones(1) for index in range(12)},
        "a": TIED,
        "b": TIED.detach(),
    },
    "texts like the keys of storages": {
        **{f"w{index}": torch.ones(1) for index in range(12)},
        "10": "11",
    },
    "a whole export": {
        "best_state": {"emb.0.weight": torch.ones(3, 4), "out.bias": torch.ones(2).half()},
        "xp.cfg": "solver: musicgen\nname: ünïcode 🎵\n",
        "version": "1.3.0",
        "exported": True,
    },
    "texts again and again": {"a": "a", "cpu": "storage", "b": {"a": "cpu", "b": ""}, "": "b"},
    "numbers": {f"{n}": n for n in (0, 255, 256, 65535, 65536, -1, 2**31 - 1, 2**31, -(2**31))}
    | {"long": 2**70, "neg": -(2**39), "real": 0.1, "inf": float("inf"), "no": False, "none": None},
    "one item": {"a": {"b": {"c": 1}}},
    "large sizes": {"a": torch.ones(70_000, 2), "b": torch.ones(300)},
    "several blocks": {"a": torch.randn(700_000), "b": torch.randn(3)},
}


@pytest.mark.parametrize("name", STATES)
def test_the_bytes_are_those_of_torch(source: Path, target: Path, name: str) -> None:
    assert_same_bytes(STATES[name], source, target)


@pytest.mark.parametrize("count", [999, 1000, 1001, 2000])
def test_the_bytes_are_those_of_torch_for_many_entries(source, target, count: int) -> None:
    tensors = {f"layers.{index}": torch.tensor(index) for index in range(count)}

    assert_same_bytes({"best_state": tensors, "exported": True}, source, target)


TENSORS = st.builds(
    lambda dtype, shape: torch.arange(torch.Size(shape).numel()).to(dtype).view(shape),
    st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool]),
    st.lists(st.integers(0, 4), max_size=4),
)
# A key of one digit may be one object with the key of a storage, by the version of Python.
TEXTS = st.text(max_size=8).filter(lambda text: not text.isdecimal())
ROOTS = st.recursive(
    st.dictionaries(TEXTS, TENSORS | st.booleans() | TEXTS | st.integers() | st.none(), max_size=6),
    lambda inner: st.dictionaries(TEXTS, inner | TENSORS, max_size=4),
    max_leaves=4,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(ROOTS)
def test_any_state_is_written_as_torch_does_and_read_back_by_torch(tmp_path_factory, root) -> None:
    folder = tmp_path_factory.mktemp("any")
    assert_same_bytes(root, folder / "source", folder / "target")

    for options in ({}, {"mmap": True}, {"weights_only": True}, {"weights_only": False}):
        _assert_equal(torch.load(folder / "target", **options), root)


def _views(base: torch.Tensor, draw: Any) -> dict[str, torch.Tensor]:
    """Give tensors over one storage: strided, turned, flat, repeated, cut, scalar, a Parameter."""
    flat = base.flatten()
    start = draw.draw(st.integers(0, flat.numel() - 1))
    views = {
        "whole": base,
        "tied": base.detach(),
        "turned": base.transpose(0, -1),
        "every other": flat[start::2],
        "a part": flat[start : start + 3],
        "a scalar": flat[start],
        "nothing": flat[:0],
        "repeated": flat[start].expand(2, 3),
        "a row": base[:1],
    }
    if base.is_floating_point() and base.dtype.itemsize > 1:
        views["a parameter"] = torch.nn.Parameter(base[-1:])
    names = draw.draw(st.lists(st.sampled_from(sorted(views)), min_size=1, unique=True))
    return {name: views[name] for name in names}


@pytest.mark.filterwarnings("ignore:ComplexHalf")
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(DTYPES), st.lists(st.integers(1, 4), min_size=2, max_size=4)),
        min_size=1, max_size=4,
    ),
    st.data(),
)  # fmt: skip
def test_any_tensors_are_the_same_for_torch_before_and_after(tmp_path_factory, bases, draw) -> None:
    root = {}
    for number, (name, shape) in enumerate(bases):
        count = torch.Size(shape).numel()
        raw = torch.randint(0, 2 if name == "bool" else 60, (count * 16,), dtype=torch.uint8)
        dtype = getattr(torch, name)
        root[f"{number}"] = _views(raw.view(dtype)[:count].view(shape), draw)
    folder = tmp_path_factory.mktemp("any")
    saved(folder / "source", root)

    with Archive.open(folder / "source") as archive:
        for key, tensors in root.items():
            for name, tensor in tensors.items():
                assert content(archive, archive.root[key][name]) == elements(tensor)
    rewritten(folder / "source", folder / "target")

    for options in ({}, {"mmap": True}, {"weights_only": False}):
        back = torch.load(folder / "target", **options)
        for key, tensors in root.items():
            assert list(back[key]) == list(tensors)
            for name, tensor in tensors.items():
                made = back[key][name]
                assert (made.dtype, made.shape) == (tensor.dtype, tensor.shape)
                assert made.is_contiguous() and elements(made) == elements(tensor)


class _Holes:
    """A file in which a large write leaves a hole: the same for zeros, and costs no disk."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def write(self, content: Any) -> int:
        size = memoryview(content).nbytes
        if size < 1 << 24:
            return int(self.file.write(content))
        self.file.seek(size, 1)
        return size

    def flush(self) -> None: ...


def test_more_than_4_gb_are_written_as_torch_does_and_read_by_both(source, target) -> None:
    zeros = np.zeros((1 << 30) + 5, np.float32)  # nothing is kept of them: nobody writes to them
    value = {
        "a": torch.ones(3),
        "big": torch.from_numpy(zeros).view(3, -1),
        "after": torch.arange(4.0).view(2, 2),
    }
    with source.open("wb") as file:
        torch.save(value, _Holes(file))

    def put(packer: Packer, name: str, weight: Weight) -> int:
        if name == "big":
            packer.write(memoryview(zeros).cast("B"))
        else:
            for block in weight.tensor.blocks():
                packer.write(block)
        return weight.tensor.crc()

    with Archive.open(source) as archive:
        root = weights(archive, archive.root)
        with target.open("wb") as file:
            writer._pack(Packer(_Holes(file).write), pickled(root), put)
        assert target.stat().st_size == source.stat().st_size == size_of(root)
        assert sum(map(len, archive.blocks(archive.root["big"]))) == zeros.nbytes  # and verified

    heads, tails = [], []
    for path in (source, target):
        with path.open("rb") as file:
            heads.append(file.read(1 << 16))
            file.seek(zeros.nbytes)
            tails.append(unnumbered(file.read()))
    assert heads[0] == heads[1] and tails[0] == tails[1]
    back = torch.load(target, mmap=True, weights_only=True)
    assert back["big"].shape == value["big"].shape and not back["big"][-1, -1000:].any()
    assert torch.equal(back["a"], value["a"]) and torch.equal(back["after"], value["after"])


def _assert_equal(back: Any, value: Any) -> None:
    assert type(back) is type(value)
    if isinstance(value, torch.Tensor):
        assert (back.dtype, back.shape, back.stride()) == (value.dtype, value.shape, value.stride())
        assert torch.equal(back, value)
    elif isinstance(value, dict):
        assert list(back) == list(value)
        for key, item in value.items():
            _assert_equal(back[key], item)
    else:
        assert back == value


def test_the_file_is_a_sound_archive_with_nothing_unsafe(source: Path, target: Path) -> None:
    saved(source, STATES["a whole export"])
    rewritten(source, target)

    assert zipfile.ZipFile(target).testzip() is None
    assert torch.serialization.get_unsafe_globals_in_checkpoint(target) == []
    with Archive.open(target) as archive:
        assert all(record.offset % 64 == 0 for record in archive.records.values())


@pytest.mark.parametrize("dtype", TARGETS)
def test_weights_are_cast_as_torch_does_and_other_tensors_kept(source, target, dtype: str) -> None:
    value = {
        **{name: (torch.randn(5, 3) / 9).to(getattr(torch, name)) for name in FLOATS},
        "many": torch.randn(400_000, dtype=torch.float64),
        "step": torch.tensor(7),
        "mask": torch.tensor([True, False]),
        "tiny": torch.tensor([1e-7, 1e-40]),
        "infinite": torch.tensor([float("inf"), -float("inf")]),
    }
    saved(source, value)

    rewritten(source, target, dtype)

    for name, tensor in torch.load(target).items():
        kept = name in ("step", "mask")
        expected = value[name] if kept else value[name].to(getattr(torch, dtype))
        assert torch.equal(tensor, expected) and tensor.dtype == expected.dtype


def test_a_cast_that_overflows_names_the_tensor_and_leaves_no_file(source, target) -> None:
    wide = torch.zeros(600_000)
    wide[0], wide[-2:] = 1e5, -2e6
    saved(source, {"best_state": {"fine": torch.ones(2), "wide.weight": wide}})

    with pytest.raises(FormatError, match=r"wide\.weight .* float16: 3 .*\n.*\n.*bfloat16"):
        rewritten(source, target, "float16", finite=True)
    assert list(target.parent.iterdir()) == [source]


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
@pytest.mark.parametrize("name", [name for name in EXPONENTS if name != "complex32"])
@pytest.mark.parametrize("value", [float("nan"), -float("inf")])
def test_every_tensor_with_nan_or_inf_is_named_and_leaves_no_file(
    source, target, dtype, name, value
) -> None:
    bad = torch.zeros(300_001, dtype=torch.float64)
    bad[300_000] = value
    narrow = bad.flip(0)  # in the first block instead of the last one
    if name == "float8_e4m3fn":  # it has no infinity
        narrow[0] = float("nan")
    saved(source, {"ok": torch.ones(2), "a": narrow.to(getattr(torch, name)), "b.c": bad})

    with pytest.raises(FormatError, match=r"in 2 tensors: a, b\.c\.\n.*\n.*allow_nonfinite=true"):
        rewritten(source, target, dtype, finite=True)
    assert list(target.parent.iterdir()) == [source]

    with Archive.open(source) as archive:
        root = weights(archive, archive.root, dtype)
        assert write_archive(target, root, allow_nonfinite=True).nonfinite == ("a", "b.c")
    kept = torch.load(target)["b.c"][300_000]
    assert kept.isnan() if value != value else kept == value


def test_damage_is_told_before_the_nan_that_it_makes(source, target) -> None:
    saved(source, {"a": torch.zeros(600_000), "b": torch.zeros(3)})
    with Archive.open(source) as archive:
        at = archive.records["data/0"].offset
    raw = bytearray(source.read_bytes())
    raw[at : at + 4] = b"\xff" * 4
    source.write_bytes(raw)

    with pytest.raises(FormatError, match="data/0"):
        rewritten(source, target, finite=True)


def test_a_damaged_source_names_the_record_and_leaves_no_file(source, target) -> None:
    saved(source, {"a": torch.zeros(3), "b": torch.zeros(600_000)})
    with Archive.open(source) as archive:
        at = archive.records["data/1"].offset
    raw = bytearray(source.read_bytes())
    raw[at + 2_000_000] = 1
    source.write_bytes(raw)

    for dtype in (None, "float16"):
        with pytest.raises(FormatError, match="data/1"):
            rewritten(source, target, dtype)
    assert list(target.parent.iterdir()) == [source]


@pytest.mark.skipif(not shutil.which("fincore"), reason="fincore of util-linux tells the pages")
def test_the_source_is_dropped_from_the_systems_memory_behind(source, target) -> None:
    def cached() -> int:
        listed = subprocess.check_output(["fincore", "--bytes", "-no", "RES", source], text=True)
        return int(listed)

    saved(source, {"a": torch.randn(1_000_000), "b": torch.randn(1_000_000)[::2]})
    with source.open("rb") as file:
        os.fsync(file.fileno())  # what is not on the disk yet cannot be dropped
        file.read()
    if cached() < source.stat().st_size:
        pytest.skip("this file system keeps no pages")

    rewritten(source, target)

    assert cached() < source.stat().st_size / 10


def test_views_are_written_without_what_lies_around_them(source: Path, target: Path) -> None:
    flat = torch.arange(100_000.0)
    views = {
        "slice": flat[10:40].view(5, 6),
        "columns": flat.view(1000, 100)[:, 3:5],
        "turned": flat[:600].view(20, 30).t(),
        "repeated": flat[:2].expand(3, 2),
    }
    saved(source, views)

    assert len(rewritten(source, target)) < 20_000
    for name, tensor in torch.load(target).items():
        assert torch.equal(tensor, views[name]) and tensor.is_contiguous()


@pytest.mark.parametrize("dtype", [None, "float32"])
def test_bytes_behind_the_last_whole_element_are_left_out(source, target, dtype) -> None:
    odd = torch.arange(7, dtype=torch.uint8)[:6].view(torch.float16)
    saved(source, {"odd": odd, "int": torch.arange(9, dtype=torch.uint8)[:8].view(torch.int16)})

    rewritten(source, target, dtype)

    assert zipfile.ZipFile(target).testzip() is None
    made = torch.load(target)
    assert torch.equal(made["odd"], odd.to(getattr(torch, dtype or "float16")))
    with Archive.open(source) as archive, Archive.open(target) as written:
        ref = archive.root["int"]
        assert archive.crc(ref) == zlib.crc32(content(archive, ref))
        assert written.crc(written.root["int"]) == archive.crc(ref)


def test_tied_weights_stay_tied_and_are_written_once(source: Path, target: Path) -> None:
    table = torch.randn(50, 20)
    saved(source, {"a": table, "b": table.detach(), "c": table.t(), "d": table[1:], "e": table.t()})

    rewritten(source, target, "float16")

    back = torch.load(target)
    places = {name: tensor.data_ptr() for name, tensor in back.items()}
    assert places["a"] == places["b"] and places["c"] == places["e"]
    assert len(set(places.values())) == 3
    assert elements(back["c"]) == elements(table.half().t())


def test_weights_of_two_archives_go_into_one_file(tmp_path: Path, target: Path) -> None:
    first = saved(tmp_path / "1", {"w": torch.ones(3)})
    second = saved(tmp_path / "2", {"w": torch.zeros(3)})
    with Archive.open(first) as one, Archive.open(second) as other:
        roots = [weights(archive, archive.root) for archive in (one, other)]
        write_archive(target, {"lm": roots[0], "codec": roots[1]})

    back = torch.load(target)
    assert (back["lm"]["w"].sum(), back["codec"]["w"].sum()) == (3, 0)


def test_the_digest_the_size_and_the_progress_are_those_of_the_file(source, target) -> None:
    # Many blocks that differ: the hash has a thread of its own, which is behind at the end.
    saved(source, {"a": torch.arange(6_000_000), "b": "text"})
    told: list[int] = []
    with Archive.open(source) as archive:
        digest = write_archive(target, weights(archive, archive.root), told.append).digest

    assert digest == files.file_digest(target)
    assert sum(told) == digest.size == target.stat().st_size


def test_an_interrupted_write_leaves_what_was_there(source: Path, target: Path) -> None:
    saved(source, {"a": torch.randn(600_000)})
    target.write_text("before")

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with Archive.open(source) as archive, pytest.raises(KeyboardInterrupt):
        write_archive(target, weights(archive, archive.root), interrupt)
    assert target.read_text() == "before"
    assert sorted(path.name for path in target.parent.iterdir()) == [source.name, target.name]


def test_the_bytes_do_not_depend_on_who_saved_the_source(tmp_path: Path) -> None:
    state = {"weight": torch.ones(3), "bias": torch.zeros(2)}
    sources = [
        saved(tmp_path / "new", state),
        saved(tmp_path / "parameters", {k: torch.nn.Parameter(v) for k, v in state.items()}),
        saved(tmp_path / "protocol", state, pickle_protocol=4),
        tmp_path / "named.th",
    ]
    torch.save(state, sources[-1])

    assert len({rewritten(source, tmp_path / "target") for source in sources}) == 1


def test_what_no_release_holds_is_refused(target: Path) -> None:
    for value in ([1], {1, 2}, object(), TensorRef("0", "float32", 0, (), (), 1)):
        with pytest.raises(TypeError, match="key"):
            write_archive(target, {"key": value})
    assert not target.exists()


def test_nothing_is_cast_to_what_is_no_target(source: Path) -> None:
    saved(source, {"a": torch.ones(1)})
    with Archive.open(source) as archive, pytest.raises(ValueError, match="int8"):
        Weight(StoredTensor(archive, archive.root["a"]), "int8")


def test_memory_stays_small_whatever_the_size(source: Path, target: Path) -> None:
    saved(source, {"a": torch.zeros(20_000_000)})

    for dtype in (None, "float16", "bfloat16"):
        tracemalloc.start()
        try:
            with Archive.open(source) as archive:
                write_archive(target, weights(archive, archive.root, dtype))
            assert tracemalloc.get_traced_memory()[1] < 32 << 20
        finally:
            tracemalloc.stop()

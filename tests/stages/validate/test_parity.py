"""Parity with the source: deliberate faults, each with digests that agree, and the rounding."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.common.archive import Archive
from stages.common.stored import StoredTensor
from stages.validate import parity
from tests.archives import elements, saved
from tests.candidates import Candidate
from tests.experiments import write_encodec_experiment, write_exported, write_lm_experiment

DTYPES = ("float16", "bfloat16", "float32")


def forge(candidate: Candidate, change: Callable[[dict[str, Any]], None], codec: bool = False):
    """Change the weights of a file and have every digest agree with them."""
    candidate.spoil(lambda package: change(package["best_state"]), codec)
    run = candidate.run
    path = run.export_compression.compression if codec else run.export_lm.state_dict
    with Archive.open(path) as archive:
        refs = archive.root["best_state"]
        stored = {name: StoredTensor(archive, ref) for name, ref in refs.items()}
        state = parity.State("best", "best_state", stored)
        candidate.facts["export_compression" if codec else "collect"]["state_digest"] = (
            state.digest()
        )
    rows = candidate.report()
    assert {rows[f"{model}.state"]["verdict"] for model in ("lm", "codec")} <= {"pass", "skipped"}
    return rows


def test_one_weight_changed_after_the_export(candidate: Candidate):
    def nudge(state: dict[str, Any]) -> None:
        state["linears.2.weight"][5, 7] += 0.25

    row = forge(candidate, nudge)["lm.parity"]
    assert row["verdict"] == "fail"
    assert "1 tensor of 36: linears.2.weight" in row["message"]
    assert row["figures"]["wrong_elements"] == 1
    assert row["figures"]["largest_difference"] == pytest.approx(0.25)


def test_two_layers_swapped(candidate: Candidate):
    def swap(state: dict[str, Any]) -> None:
        for name in [name for name in state if name.startswith("transformer.layers.0.")]:
            other = name.replace("layers.0", "layers.1")
            state[name], state[other] = state[other], state[name]

    rows = forge(candidate, swap)
    failures = [name for name, row in rows.items() if row["verdict"] == "fail"]
    assert failures == ["lm.parity", "lm.logits"]
    assert rows["lm.parity"]["figures"]["wrong_tensors"] == 24


def test_the_last_state_released_as_best(tmp_path: Path, candidate: Candidate):
    folder = write_lm_experiment(tmp_path / "dora", epochs=2)
    candidate.run.collect.checkpoint.unlink()
    candidate.run.collect.checkpoint.symlink_to(folder / "checkpoint.th")
    last = torch.load(folder / "checkpoint.th", weights_only=False)["model"]
    row = forge(candidate, lambda state: state.update(last))["lm.parity"]
    assert row["verdict"] == "fail"
    assert "they are of its last state" in row["message"]


def test_a_codec_from_another_run(tmp_path: Path, candidate: Candidate):
    # The weights of these experiments follow from the epoch, not from the signature.
    other = write_encodec_experiment(tmp_path, "0abc0abc", epochs=2)
    exported = write_exported(tmp_path / "codec.bin", other / "checkpoint.th")
    theirs = torch.load(exported, weights_only=True)["best_state"]
    rows = forge(candidate, lambda state: state.update(theirs), codec=True)
    assert rows["codec.parity"]["verdict"] == "fail"
    assert rows["lm.parity"]["verdict"] == "pass"


def test_a_tensor_that_only_one_of_them_has(candidate: Candidate):
    row = forge(candidate, lambda state: state.pop("out_norm.bias"))["lm.parity"]
    assert row["verdict"] == "fail"
    assert "out_norm.bias" in row["message"]


def test_a_cast_that_is_cut_off_instead_of_rounded(candidate: Candidate):
    def cut(state: dict[str, Any]) -> None:
        for name, tensor in state.items():
            high = tensor.view(torch.int32).bitwise_and(-65536).view(torch.float32)
            state[name] = high.to(torch.bfloat16)

    candidate.facts["export_lm"]["dtype"] = "bfloat16"
    rows = forge(candidate, cut)
    assert rows["lm.dtypes"]["verdict"] == "pass"
    assert rows["lm.parity"]["verdict"] == "fail"
    candidate.spoil(lambda package: restore(candidate, package))
    row = candidate.report()["lm.parity"]
    assert row["verdict"] == "pass"
    assert 0 < row["figures"]["largest_difference"] < 1e-3


def restore(candidate: Candidate, package: dict[str, Any]) -> None:
    source = torch.load(candidate.run.collect.checkpoint, weights_only=False)
    state = source["best_state"]["model"]
    package["best_state"] = {name: tensor.to(torch.bfloat16) for name, tensor in state.items()}


def test_a_source_that_is_not_there_any_more_is_no_fault(candidate: Candidate):
    candidate.run.collect.checkpoint.unlink()
    rows = candidate.report()
    assert rows["lm.parity"]["verdict"] == "skipped"
    assert "not here any more" in rows["lm.parity"]["message"]
    assert rows["codec.parity"]["verdict"] == "pass"


def test_a_source_that_went_on_training_cannot_be_compared(tmp_path: Path, candidate: Candidate):
    moved = shutil.copy(candidate.local["export_compression"]["path"], tmp_path)
    candidate.local["export_compression"]["path"] = moved
    assert candidate.report()["codec.parity"]["verdict"] == "pass"
    shutil.copy(candidate.run.collect.checkpoint, moved)
    row = candidate.report()["codec.parity"]
    assert row["verdict"] == "skipped"
    assert "changed since" in row["message"]


def test_a_source_that_is_damaged_is_said_to_be(tmp_path: Path, candidate: Candidate):
    moved = Path(shutil.copy(candidate.local["export_compression"]["path"], tmp_path))
    with Archive.open(moved) as archive:
        ref = archive.root["best_state"]["model"]["encoder.model.0.conv.conv.bias"]
        at = archive.records[f"data/{ref.record}"].offset
    content = bytearray(moved.read_bytes())
    content[at] ^= 1
    moved.write_bytes(content)
    candidate.local["export_compression"]["path"] = str(moved)
    row = candidate.report()["codec.parity"]
    assert row["verdict"] == "skipped"
    assert "damaged" in row["message"]


@dataclass(frozen=True)
class Pieces:
    """A tensor that is read in steps of its own."""

    whole: StoredTensor
    step: int

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)

    def blocks(self):
        for block in self.whole.blocks():
            for start in range(0, len(block), self.step):
                yield block[start : start + self.step]


@pytest.mark.parametrize("steps", [(4, 2), (12, 500), (4000, 2), (52, 26)])
def test_tensors_are_compared_whatever_the_steps_they_are_read_in(tmp_path: Path, steps):
    values = torch.randn(1001)
    path = saved(tmp_path / "pair.pt", {"a": values, "b": values.half()})
    with Archive.open(path) as archive:
        pair = [
            Pieces(StoredTensor(archive, archive.root[name]), step)
            for name, step in zip("ab", steps, strict=True)
        ]
        found = parity.distance(*pair)
    assert (found.elements, found.wrong) == (1001, 0)
    assert found.largest == float((values.half().double() - values.double()).abs().max())


floats = st.lists(st.floats(width=32), min_size=1, max_size=40)


@pytest.mark.parametrize("dtype", DTYPES)
@given(values=floats)
def test_the_rounding_is_that_of_torch(dtype: str, values: list[float]):
    wanted = torch.tensor(values, dtype=torch.float32).to(getattr(torch, dtype)).double().numpy()
    np.testing.assert_array_equal(parity.rounded(np.array(values), dtype), wanted)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_ties_and_limits_are_rounded_as_torch_does(dtype: str):
    every = torch.arange(1 << 16, dtype=torch.int32).to(torch.int16).view(getattr(torch, dtype))
    numbers = every[every.isfinite()].double().sort().values
    halves = (numbers[1:] + numbers[:-1]) / 2
    beyond = torch.tensor([65519.99, 65520.0, 3.3961e38, 3.4e38, -65520.0]).double()
    values = torch.cat([numbers, halves, beyond]).float()
    wanted = values.to(every.dtype).double().numpy()
    np.testing.assert_array_equal(parity.rounded(values.double().numpy(), dtype), wanted)
    wrong = parity.rounded(np.nextafter(values.numpy(), np.inf).astype("f8"), dtype) != wanted
    assert wrong.any()


def test_a_zero_of_the_other_sign_and_another_nan_are_seen(tmp_path: Path):
    zero = {"a": torch.tensor([0.0, 1.0]), "b": torch.tensor([-0.0, 1.0])}
    other = {name: tensor.half() for name, tensor in zero.items()}
    path = saved(tmp_path / "zero.pt", {"a": zero["a"], "b": zero["b"], "c": other["b"]})
    assert elements(zero["a"]) != elements(zero["b"])
    with Archive.open(path) as archive:
        stored = {n: StoredTensor(archive, ref) for n, ref in archive.root.items()}
        assert parity.distance(stored["a"], stored["b"]).wrong == 1
        assert parity.distance(stored["a"], stored["c"]).wrong == 1
        assert parity.distance(stored["b"], stored["c"]).wrong == 0

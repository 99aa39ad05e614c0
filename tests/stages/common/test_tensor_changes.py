"""What has become of a model's tensors, measured on files that torch wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.common.archive import Archive
from stages.common.stored import StoredTensor
from stages.common.tensor_changes import TensorChanges, tensor_changes
from tests.archives import saved

Compare = Callable[..., TensorChanges]


@pytest.fixture
def compare(tmp_path: Path) -> Iterator[Compare]:
    """Saves two dicts of tensors, spoils the second file where told to, and compares."""
    with ExitStack() as stack:

        def run(
            before: dict[str, torch.Tensor],
            after: dict[str, torch.Tensor],
            spoil: Callable[[Path], None] = lambda _: None,
            **options: Any,
        ) -> TensorChanges:
            paths = [
                saved(tmp_path / f"{len(list(tmp_path.iterdir()))}.th", tensors)
                for tensors in (before, after)
            ]
            spoil(paths[1])
            archives = [stack.enter_context(Archive.open(path)) for path in paths]
            sides = [{n: StoredTensor(a, r, n) for n, r in a.root.items()} for a in archives]
            return tensor_changes(*sides, **options)

        yield run


def flip(path: Path) -> None:
    """Change a byte of the first tensor, and not its checksum."""
    with Archive.open(path) as archive:
        at = archive.records["data/0"].offset
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_equal_sets_have_no_changes(compare: Compare):
    tensors = {"a": torch.randn(3, 4), "b": torch.arange(5)}
    found = compare(tensors, {name: tensor.clone() for name, tensor in tensors.items()})
    assert not found and found.compared == 2


def test_a_change_is_counted_and_measured(compare: Compare):
    before = torch.tensor([3.0, 4.0, 0.0, 0.0])
    after = torch.tensor([3.0, 4.0, 0.5, -0.5])
    (tensor,) = compare({"w": before}, {"w": after}).changed
    assert tensor.change is not None
    assert (tensor.change.elements, tensor.change.changed) == (4, 2)
    assert tensor.change.largest == 0.5
    assert tensor.change.relative == pytest.approx(0.5**0.5 / 5)


def test_those_that_moved_furthest_come_first(compare: Compare):
    before = {name: torch.ones(8) for name in "abc"}
    after = {"a": torch.ones(8) * 1.1, "b": torch.ones(8), "c": torch.ones(8) * 3}
    found = compare(before, after)
    assert [tensor.name for tensor in found.moved] == ["c", "a"]
    assert found.together.largest == 2.0


def test_what_is_gone_new_or_of_another_shape_is_named(compare: Compare):
    found = compare(
        {"old": torch.ones(1), "w": torch.ones(2, 3)}, {"new": torch.ones(1), "w": torch.ones(3, 2)}
    )
    assert (found.gone, found.new) == (("old",), ("new",))
    assert found.changed[0].reshaped and found.changed[0].shapes == ((2, 3), (3, 2))
    assert not found.moved


def test_a_cast_is_a_change_with_the_size_of_its_rounding(compare: Compare):
    exact, inexact = torch.tensor([0.5, 2.0]), torch.tensor([0.1, 1.0])
    found = compare(
        {"e": exact, "i": inexact}, {"e": exact.half(), "i": inexact.to(torch.bfloat16)}
    )
    changes = {t.name: t.change for t in found.changed}
    assert changes["e"].changed == 0 and changes["i"].changed == 1
    assert changes["i"].largest == pytest.approx(abs(0.1 - 0.10009765625), rel=1e-3)
    assert {t.dtypes for t in found.changed} == {("float32", "float16"), ("float32", "bfloat16")}


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2", "bfloat16", "float64", "int64"])
def test_every_kind_of_number_is_measured(compare: Compare, dtype: str):
    before = torch.tensor([1, 2, 4]).to(getattr(torch, dtype))
    after = torch.tensor([1, 2, 6]).to(getattr(torch, dtype))
    (tensor,) = compare({"w": before}, {"w": after}).changed
    assert tensor.change is not None
    assert (tensor.change.changed, tensor.change.largest) == (1, 2.0)


def test_a_weight_that_became_nan_is_changed_and_not_measured(compare: Compare):
    before, after = torch.tensor([1.0, torch.nan]), torch.tensor([torch.inf, torch.nan])
    (tensor,) = compare({"w": before}, {"w": after}).changed
    assert tensor.change is not None
    assert (tensor.change.changed, tensor.change.immeasurable, tensor.change.largest) == (1, 1, 0)


def test_minus_zero_is_not_zero(compare: Compare):
    (tensor,) = compare({"w": torch.tensor([0.0])}, {"w": torch.tensor([-0.0])}).changed
    assert tensor.change is not None and tensor.change.changed == 1


def test_a_view_is_compared_by_its_own_elements(compare: Compare):
    base = torch.arange(12.0).reshape(3, 4)
    assert not compare({"w": base.T}, {"w": base.T.contiguous()})
    assert compare({"w": base.T}, {"w": base.T.contiguous() + 1}).changed


def test_tensors_with_the_same_checksum_are_not_read(compare: Compare):
    tensors = {"w": torch.randn(64)}
    assert not compare(tensors, tensors, flip)


def test_what_was_changed_behind_its_checksum_is_found_when_all_is_read(compare: Compare):
    tensors = {"w": torch.randn(64)}
    (tensor,) = compare(tensors, tensors, flip, read_all=True).changed
    assert "damaged" in tensor.fault and tensor.damaged.endswith(".th")


def test_all_bytes_of_the_second_are_told(compare: Compare):
    told: list[int] = []
    after = {
        "a": torch.ones(8),
        "b": torch.ones(700_000),
        "c": torch.ones(2, 2),
    }
    before = {"a": torch.ones(8), "b": torch.zeros(700_000), "c": torch.ones(4)}
    compare(before, {**after, "new": torch.ones(9)}, advance=told.append)
    assert sum(told) == sum(tensor.nbytes for tensor in after.values())

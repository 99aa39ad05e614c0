from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.common.tensors import ITEMSIZE, TensorRef, contiguous_stride

SHAPES = st.lists(st.integers(0, 5), max_size=5).map(tuple)


def test_every_dtype_of_torch_has_its_size() -> None:
    dtypes = {str(dtype)[6:]: dtype for dtype in vars(torch).values() if type(dtype) is torch.dtype}

    assert {name: dtype.itemsize for name, dtype in dtypes.items()} == dict(ITEMSIZE)


@given(SHAPES)
def test_strides_are_those_of_a_new_tensor(shape: tuple[int, ...]) -> None:
    assert contiguous_stride(shape) == torch.empty(shape).stride()


@given(SHAPES, st.randoms(), st.integers(0, 3))
def test_a_view_knows_whether_it_is_contiguous(shape, random, offset) -> None:
    order = random.sample(range(len(shape)), len(shape))
    tensor = torch.empty(offset + torch.Size(shape).numel())[offset:].view(shape).permute(order)
    ref = TensorRef(
        "0",
        "float32",
        tensor.storage_offset(),
        tuple(tensor.shape),
        tensor.stride(),
        tensor.untyped_storage().nbytes() // 4,
    )

    assert ref.contiguous == tensor.is_contiguous()
    assert ref.whole == (ref.contiguous and offset == 0)
    assert (ref.numel, ref.nbytes) == (tensor.numel(), tensor.nbytes)


def test_the_span_covers_first_to_last() -> None:
    ref = TensorRef("0", "float16", 3, (2, 4), (10, 2), 40)

    assert ref.span == 1 + 10 + 6
    assert not ref.contiguous

import math

import torch

from stages.miniature.delay import cross_entropies, delayed

S = 9


def test_the_pattern_of_the_module_s_own_drawing():
    codes = torch.tensor([[[1, 2, 3, 4]] * 3])
    expected = [[S, 1, 2, 3, 4], [S, S, 1, 2, 3], [S, S, S, 1, 2]]
    assert delayed(codes, [0, 1, 2], S).tolist() == [expected]


def test_without_delays_only_the_special_token_is_added():
    codes = torch.tensor([[[1, 2], [3, 4]]])
    assert delayed(codes, [0, 0], S).tolist() == [[[S, 1, 2], [S, 3, 4]]]


def test_logits_that_foretell_the_next_position_have_no_entropy():
    codes = torch.randint(0, 8, (2, 3, 6), generator=torch.Generator().manual_seed(0))
    delays = [0, 1, 2]
    sequence = delayed(codes, delays, 8)
    logits = torch.zeros(2, 3, 7, 9)
    upcoming = sequence[:, :, 1:]
    logits[:, :, :-1].scatter_(-1, upcoming[..., None], 1000.0)
    assert cross_entropies(logits, codes, delays).tolist() == [0, 0, 0]


def test_positions_that_predict_nothing_do_not_count():
    codes = torch.zeros(1, 2, 4, dtype=torch.int64)
    logits = torch.zeros(1, 2, 5, 8)
    logits[:, :, 4] = float("nan")  # what would follow the last step
    logits[:, 1, 0] = float("nan")  # the second codebook has not begun
    measured = cross_entropies(logits, codes, [0, 1])
    assert torch.allclose(measured, torch.full((2,), math.log(8)))

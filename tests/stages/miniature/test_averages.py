import pytest
import torch
from torch import nn

from stages.miniature.averages import CosineSchedule, MovingAverage


def test_the_average_is_unbiased_from_the_first_step():
    model = nn.Linear(1, 1, bias=False)
    average = MovingAverage(model, decay=0.5)
    for value, expected in [(4.0, 4.0), (1.0, 2.0), (1.0, 10 / 7)]:
        nn.init.constant_(model.weight, value)
        average.step(model)
        assert average.weights["weight"].item() == pytest.approx(expected)


def test_the_average_goes_on_from_its_state():
    model = nn.Linear(2, 2)
    first, second = MovingAverage(model, 0.9), MovingAverage(nn.Linear(2, 2), 0.9)
    first.step(model)
    second.load_state_dict(first.state_dict())
    assert second.count == first.count == 1
    assert torch.equal(second.weights["weight"], model.weight)
    assert second.weights["weight"] is not first.weights["weight"]


def schedule(total: int = 10, warmup: int = 4) -> CosineSchedule:
    optimizer = torch.optim.AdamW(nn.Linear(1, 1).parameters(), lr=2.0)
    return CosineSchedule(optimizer, total, warmup, lr_min_ratio=0.1, cycle_length=1.0)


def test_the_rate_rises_in_a_line_and_falls_as_a_cosine():
    rates = []
    planned = schedule()
    for _ in range(12):
        rates.append(planned.get_last_lr()[0])
        planned.optimizer.step()
        planned.step()
    assert rates[:5] == pytest.approx([0, 0.5, 1, 1.5, 2])
    assert rates[7] == pytest.approx(2 * (0.1 + 0.9 * 0.5))
    assert rates[10:] == pytest.approx([0.2, 0.2])


def test_a_schedule_stores_what_audiocraft_s_does():
    assert set(schedule().state_dict()) >= {
        "warmup_steps", "total_steps", "lr_min_ratio", "cycle_length", "base_lrs", "last_epoch",
    }  # fmt: skip


def test_a_schedule_that_only_warms_up_does_not_divide_by_zero():
    planned = schedule(total=4, warmup=4)
    for _ in range(5):
        planned.optimizer.step()
        planned.step()
    assert planned.get_last_lr() == pytest.approx([0.2])

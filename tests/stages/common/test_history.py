"""Training histories: which epoch is the best, and what JSON can hold of them."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.manifest import pretty
from stages.common.history import best_epoch, epochs_in, metrics_of, summary, valid_json

NAN, INF = math.nan, math.inf


def history(*losses: float) -> list[dict[str, Any]]:
    return [{"train": {"ce": 9.0}, "valid": {"ce": loss}} for loss in losses]


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        ((), None),
        ((3.0,), 1),
        ((3.0, 2.0, 9.0), 2),
        ((2.0, 2.0, 3.0), 2),  # AudioCraft keeps the later of two that are equal
        ((3.0, NAN, 2.0), 3),
        ((3.0, 2.0, NAN), 2),
        ((NAN, 2.0, 1.0), None),  # nothing is less than NaN, so nothing was ever kept
        ((INF, INF), 2),
        ((3.0, -INF, 2.0), 2),
    ],
)
def test_the_best_epoch_is_the_one_that_audiocraft_kept(losses, best):
    assert best_epoch(history(*losses)) == best


@given(st.lists(st.floats(), min_size=1))
def test_the_best_epoch_follows_audiocrafts_rule(losses):
    kept = None
    for epoch in range(1, len(losses) + 1):
        if losses[epoch - 1] == min(losses[:epoch]):
            kept = epoch
    assert best_epoch(history(*losses)) == kept


def test_a_codec_has_no_such_metric_and_its_best_epoch_is_the_last():
    assert best_epoch([{"valid": {"sisnr": 1.0}}, {"valid": {"sisnr": 2.0}}]) == 2
    assert best_epoch([{"valid": {"ce": 1.0}}, {}]) == 2


def test_a_summary_for_people():
    assert summary(history(3.0, 2.67219, 9.0)) == "3 epochs, best ce 2.672"
    assert summary(history(3.0)) == "1 epoch, best ce 3.000"
    assert summary([{"valid": {"sisnr": 1.0}}] * 2) == "2 epochs"
    assert summary([]) == "0 epochs"


def test_the_metrics_of_an_epoch_have_dotted_names():
    epoch = {"train": {"ce": 3, "lr": 0.5}, "valid": {"ce": NAN, "note": "text", "done": True}}
    metrics = metrics_of({**epoch, "evaluate": None, "epoch": 7})
    assert metrics == {
        "train.ce": 3.0,
        "train.lr": 0.5,
        "valid.ce": pytest.approx(NAN, nan_ok=True),
    }
    assert list(metrics_of({"valid": {}, "train": {"ce": 1}})) == ["train.ce"]


def test_a_whole_number_larger_than_any_float_counts_as_infinite():
    assert metrics_of({"valid": {"ce": 10**400, "ppl": -(10**400)}}) == {
        "valid.ce": INF,
        "valid.ppl": -INF,
    }
    assert best_epoch([{"valid": {"ce": 10**400}}, {"valid": {"ce": 2.0}}]) == 2


@pytest.mark.parametrize("value", [None, "text", 3, {"train": {}}])
def test_what_is_no_history_has_no_epochs(value):
    assert epochs_in(value) == []


def test_an_epoch_that_is_none_counts_all_the_same():
    assert epochs_in([{"valid": {}}, None]) == [{"valid": {}}, {}]


def test_numbers_that_json_does_not_know_become_text():
    written = valid_json([{"valid": {"ce": NAN, "ppl": INF, "lr": -INF, "n": 3, 4: object()}}])
    assert written == [
        {"valid": {"ce": "NaN", "ppl": "Infinity", "lr": "-Infinity", "n": 3, "4": None}}
    ]
    assert json.loads(pretty(written)) == written


@settings(max_examples=30)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_a_history_holds_can_be_written(value):
    assert json.loads(pretty(valid_json(value))) == valid_json(value)

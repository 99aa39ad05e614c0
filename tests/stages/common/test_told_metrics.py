"""Metrics from a history, and from the card that was made of it."""

from pathlib import Path

from stages.common.metrics import EpochMetrics
from stages.common.told_metrics import ToldMetrics
from tests.releases import HISTORY, fabricate, package


def test_a_card_tells_the_metrics_of_its_history(tmp_path: Path):
    made = fabricate(tmp_path)
    made.make(package())
    exact = ToldMetrics.of_epoch(EpochMetrics.of(HISTORY, 2))
    told = ToldMetrics.in_card(made.run.release.card.read_bytes())
    assert told.rounded and set(told.values) == set(exact.values)
    assert {"train.ce", "valid.ppl", "evaluate.fad", "evaluate.clap"} <= set(told.values)
    assert not told.changes_to(exact) and not exact.changes_to(told)


def test_a_change_of_one_percent_is_seen_in_cards():
    before, after = ToldMetrics({"valid.ce": 4.0}, True), ToldMetrics({"valid.ce": 4.04})
    assert before.changes_to(after).changed == {"valid.ce": (4.0, 4.04)}


def test_histories_are_compared_to_the_last_digit():
    before, after = ToldMetrics({"valid.ce": 4.0}), ToldMetrics({"valid.ce": 4.0000001})
    assert before.changes_to(after).changed
    assert not ToldMetrics(before.values, rounded=True).changes_to(after)


def test_what_is_no_card_tells_nothing():
    for content in (b"", b"\xff", b"---\nmodel-index: [1]\n---\n", b"---\n{\n---\n"):
        assert ToldMetrics.in_card(content).values == {}

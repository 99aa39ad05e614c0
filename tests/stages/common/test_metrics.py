import math

from stages.common.metrics import EpochMetrics, Metric
from tests.releases import HISTORY


def test_rows_hold_what_judges_the_model_and_no_time() -> None:
    metrics = EpochMetrics.of(HISTORY, 2)
    assert metrics is not None
    assert metrics.rows == (("ce", "5.046", "58.18"), ("ppl", "159.4", "1.857e+25"))


def test_the_epoch_is_the_one_asked_for() -> None:
    metrics = EpochMetrics.of(HISTORY, 1)
    assert metrics is not None
    assert metrics.rows == (("ce", "7.5", "7.25"),)
    assert metrics.evaluations == ()


def test_an_epoch_that_the_history_lacks_has_none() -> None:
    assert EpochMetrics.of(HISTORY, 3) is None
    assert EpochMetrics.of(HISTORY, 0) is None
    assert EpochMetrics.of([], 1) is None
    assert EpochMetrics.of(HISTORY, None) is None


def test_evaluations_have_the_names_that_readers_know() -> None:
    metrics = EpochMetrics.of(HISTORY, 2)
    assert metrics is not None
    assert metrics.evaluations == (
        Metric("fad", "Fréchet Audio Distance (FAD)", 4.12346),
        Metric("kld", "Kullback-Leibler divergence (KLD)", 1.25),
        Metric("clap", "Text consistency (CLAP)", 0.27),
    )


def test_an_unknown_evaluation_keeps_its_name() -> None:
    metrics = EpochMetrics.of([{"evaluate": {"mine": 3, "note": "text", "done": True}}], 1)
    assert metrics is not None
    assert metrics.evaluations == (Metric("mine", "mine", 3.0),)


def test_a_diverged_epoch_is_shown_but_not_indexed() -> None:
    history = [{"train": {"ce": math.nan}, "evaluate": {"fad": math.inf}}]
    metrics = EpochMetrics.of(history, 1)
    assert metrics is not None
    assert metrics.rows == (("ce", "nan", ""),)
    assert metrics.evaluations == ()


def test_a_section_of_another_shape_is_skipped() -> None:
    metrics = EpochMetrics.of([{"train": [1, 2], "valid": None}], 1)
    assert metrics is not None
    assert metrics.rows == ()

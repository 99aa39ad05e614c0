"""A history as a table that fits."""

from stages.common.metric_grid import metric_grid


def epoch(loss, **more):
    metrics = {"ce": loss, "ce_q1": loss, "duration": 1.0}
    return {"train": {**metrics, "lr": 0.1}, "valid": metrics, **more}


def test_the_last_epochs_and_the_best_one():
    grid = metric_grid([epoch(float(n)) for n in range(1, 51)], best=7)
    assert grid.header == ("", "7 (best)", "47", "48", "49", "50")
    assert grid.rows == (
        ("train ce", "7", "47", "48", "49", "50"),
        ("valid ce", "7", "47", "48", "49", "50"),
    )
    assert grid.note.startswith("45 epochs before")


def test_a_short_one_is_shown_whole():
    grid = metric_grid([epoch(1.0), epoch("NaN", evaluate={"fad": 4.12345, "duration": 2.0})], 1)
    assert grid.header == ("", "1 (best)", "2")
    assert grid.rows == (
        ("train ce", "1", "NaN"),
        ("valid ce", "1", "NaN"),
        ("evaluate fad", "-", "4.123"),
    )
    assert grid.note == ""


def test_training_metrics_are_shown_where_there_is_nothing_else():
    assert metric_grid([{"train": {"loss": 2.5}}, {"valid": "odd"}], None).rows == (
        ("train loss", "2.5", "-"),
    )

from pathlib import Path

from pipeline.chart import HEIGHT, STYLES, WIDTH, Chart
from pipeline.variants import best_of, variants_of
from tests.pipeline.released import RELEASE, history, make_sweep, make_variant


def chart(outputs: Path, metric: str = "valid.ce") -> Chart | None:
    variants = variants_of(outputs / RELEASE)
    return Chart.of(variants, metric, best_of(variants, metric))


def test_an_experiment_is_one_line_however_many_are_released(tmp_path):
    make_sweep(tmp_path)
    drawn = chart(tmp_path)
    assert drawn and [trace.name for trace in drawn.traces] == ["1a2b3c4d", "5e6f7a8b"]
    assert [list(trace.values) for trace in drawn.traces] == [[1, 2, 3, 4, 5]] * 2
    assert (drawn.low, drawn.high, drawn.epochs) == ("2", "2.3", 5)
    assert len(drawn.marks) == 10


def test_the_longest_history_of_an_experiment_is_drawn(tmp_path):
    make_variant(tmp_path, "a", epoch=3, training=history()[:3])
    make_variant(tmp_path, "b", epoch=4, training=history()[:4])
    drawn = chart(tmp_path)
    assert drawn and list(drawn.traces[0].values) == [1, 2, 3, 4]


def test_released_epochs_lie_on_their_line_and_the_best_is_on_top(tmp_path):
    make_variant(tmp_path, "a", epoch=1, training=history(best=1))
    make_variant(tmp_path, "b", epoch=5, training=history(best=1))
    make_variant(tmp_path, "c", epoch=5, training=history(best=1))
    drawn = chart(tmp_path)
    assert drawn
    worst, best = drawn.marks
    assert (worst.x, worst.y, worst.best, worst.title) == (
        WIDTH, 0, False, "b, c: epoch 5, 2.4",
    )  # fmt: skip
    assert (best.x, best.y, best.best, best.title) == (0, HEIGHT, True, "a: epoch 1, 2")


def test_what_was_not_released_has_no_mark(tmp_path):
    make_variant(tmp_path, verdict="failed", failed="validate")
    drawn = chart(tmp_path)
    assert drawn and drawn.traces and not drawn.marks


def test_a_metric_that_nobody_has_has_no_chart(tmp_path):
    make_variant(tmp_path)
    assert chart(tmp_path, "valid.nothing") is None
    assert chart(tmp_path / "none") is None


def test_gaps_and_odd_values_are_left_out(tmp_path):
    training = history()
    training[1]["valid"]["ce"] = "NaN"
    training[2] = "none"
    make_variant(tmp_path, training=training)
    drawn = chart(tmp_path)
    assert drawn and list(drawn.traces[0].values) == [1, 4, 5]


def test_more_experiments_than_styles_begin_again(tmp_path):
    for number in range(STYLES + 1):
        make_variant(tmp_path, f"v{number:02}", signature=f"{number:08x}")
    drawn = chart(tmp_path)
    assert drawn and [trace.style for trace in drawn.traces] == [*range(STYLES), 0]

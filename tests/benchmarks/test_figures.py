"""The promises: how they are computed, and when they are kept."""

import pytest

from benchmarks.figures import Memory, memory_figures, push_figures, time_figures
from benchmarks.process import Measured

TIMES = {
    "float32": (1.0, 2.0, 4.0),
    "float16": (1.5, 1.5, 1.5),
    "cp": (1.0, 1.0, 1.0),
    "cp_sync": (1.0, 1.0, 1.0),
    "cp_sha256sum": (2.0, 2.0, 2.0),
    "cp_hashlib": (0.5, 1.0, 1.0),
    "transfer": (1.25, 1.25, 1.25),
    "audiocraft": (9.0, 8.0, 7.0),
    "inspect": (0.5, 1.5, 0.2),
}


def timings(**changes):
    return {
        (name, "cold"): [Measured(time, 9.9, None) for time in times]
        for name, times in (TIMES | changes).items()
    }


def times(judged=True, **changes):
    figures = time_figures(timings(**changes), judged=judged)
    return {figure.name: figure for figure in figures}


def test_a_ratio_is_that_of_the_medians_and_of_the_minima():
    figure = times()["float32, cold, against cp and hashlib"]

    assert (figure.value, figure.least) == (2.0, 2.0)
    assert times()["float32, cold, against AudioCraft's way"].least == 1 / 7
    assert times()["float16, cold, against reading and writing alone"].value == 1.2


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("float32, cold, against cp and sha256sum", {"cp_sha256sum": (1.8, 1.8, 1.8)}),
        ("float32, cold, against AudioCraft's way", {"audiocraft": (7.9, 7.9, 7.9)}),
        ("float16, cold, against cp of float32", {"float16": (1.6, 1.6, 1.6)}),
        ("python -m pipeline.inspect, cold", {"inspect": (1.1, 1.1, 1.1)}),
    ],
)
def test_a_limit_is_met_or_missed(name, changes):
    assert times()[name].met is True
    assert times(**changes)[name].met is False
    assert times(judged=False, **changes)[name].met is None


def test_what_was_not_measured_is_no_figure():
    without = {key: runs for key, runs in timings().items() if key[0] != "inspect"}

    assert not any("inspect" in each.name for each in time_figures(without, judged=True))


def memory(judged=True, **changes):
    good = {
        "exports": {"float32": 32_000_000, "float16": 64_000_000},
        "larger": {"float32": 32_000_000, "float16": 64_000_000},
        "command": {"float32": 96_000_000, "float16": 96_000_000},
        "audiocraft": 6_000_000_000,
    }
    return memory_figures(Memory(**good | changes), judged=judged)


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({}, set()),
        (
            {"exports": {"float32": 32_100_000, "float16": 64_000_000}},
            {"memory above imports, float32"},
        ),
        (
            {"larger": {"float32": 32_000_000, "float16": 72_100_000}},
            {
                "memory above imports, float16, larger model",
                "memory above imports, float16, growth to the larger model",
            },
        ),
        (
            {"judged": False, "larger": {"float32": 32_000_000, "float16": 72_100_000}},
            {"memory above imports, float16, larger model"},
        ),
        (
            {"command": {"float32": 0, "float16": 96_100_000}},
            {"memory of the whole command, float16"},
        ),
    ],
)
def test_memory_is_judged(changes, missed):
    assert {figure.name for figure in memory(**changes) if figure.met is False} == missed


def pushes(judged=True, read=1_090_000, push=(1.2, 1.3, 1.0), memory=94_000_000):
    runs = {"push": push, "put": (1.0, 1.0, 1.0), "client": (2.0, 2.0, 2.0)}
    timings = {
        name: [Measured(time, 9.9, read if name == "push" else 0) for time in times]
        for name, times in runs.items()
    }
    held = {"push": memory, "put": 1, "client": 30_000_000}
    figures = push_figures(timings, held, 1_000_000, judged=judged)
    return {figure.name: figure for figure in figures}


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({}, set()),
        ({"push": (1.3, 1.3, 1.0)}, {"push=hub against a plain PUT of the file"}),
        ({"read": 1_110_000}, {"push=hub, bytes read for each byte sent"}),
        ({"memory": 94_100_000}, {"memory of push=hub above create_commit of the client"}),
        ({"push": (9.0, 9.0, 9.0), "read": 2_000_000, "judged": False}, set()),
    ],
)
def test_a_push_is_judged(changes, missed):
    assert {figure.name for figure in pushes(**changes).values() if figure.met is False} == missed


def test_a_push_is_held_against_the_client_too():
    figure = pushes()["push=hub against create_commit of the client"]

    assert (figure.value, figure.least, figure.met) == (0.6, 0.5, None)

from pathlib import PurePosixPath

import pytest

from pipeline.audition import Audition, letter
from pipeline.layout import Outputs, Run
from pipeline.sounds import Sample
from pipeline.variants import Variant


def variant(name: str, *samples: Sample) -> Variant:
    return Variant(name, "done", Run(None, Outputs(None)), samples=samples)  # type: ignore[arg-type]


def sample(
    prompt: str = "", seed: int | None = 0, seconds: float | None = 2.0, file: str = "a.wav"
) -> Sample:
    return Sample(PurePosixPath(file), f"title of {file}", prompt, seed, seconds)


def test_the_same_prompt_seed_and_length_are_a_line(tmp_path):
    found = Audition.of(
        [
            variant("a", sample("x", 0), sample("x", 1), sample("y", 0)),
            variant("b", sample("x", 1, file="other.wav"), sample("x", 0, seconds=3.0)),
        ]
    )
    assert [(line.title, line.about, list(line.sounds)) for line in found.lines] == [
        ("x", ("seed 0", "2 s"), ["a"]),
        ("x", ("seed 1", "2 s"), ["a", "b"]),
        ("y", ("seed 0", "2 s"), ["a"]),
        ("x", ("seed 0", "3 s"), ["b"]),
    ]


def test_what_nothing_drew_is_known_by_its_file():
    codec = {"seed": None, "seconds": None}
    found = Audition.of(
        [
            variant("a", sample(file="codec.wav", **codec), sample(file="z.wav", **codec)),
            variant("b", sample(file="codec.wav", **codec)),
        ]
    )
    assert [(line.title, line.about, list(line.sounds)) for line in found.lines] == [
        ("title of codec.wav", (), ["a", "b"]),
        ("title of z.wav", (), ["a"]),
    ]


def test_a_variant_without_sounds_is_no_column():
    found = Audition.of([variant("a"), variant("b", sample("x"))])
    assert found.variants == found.blind == ("b",)


def test_the_blind_order_is_the_same_again_another_by_another_seed_and_no_name_is_lost():
    variants = [variant(f"v{number}", sample("x")) for number in range(9)]
    first, again = Audition.of(variants), Audition.of(variants)
    assert first.blind == again.blind != first.variants
    assert sorted(first.blind) == sorted(first.variants)
    assert len({Audition.of(variants, seed).blind for seed in range(20)}) > 10
    assert first.letters[first.blind[0]] == "A"


@pytest.mark.parametrize(("position", "text"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ")])
def test_letters_go_on_after_z(position, text):
    assert letter(position) == text

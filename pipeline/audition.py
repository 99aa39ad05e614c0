"""The sounds of several variants, side by side: what was made of the same prompt and seed.

A blind order hides which variant is which. It is drawn from the names and a seed, so that whoever
opens the page again, or on another machine, hears them in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.manifest import digest
from pipeline.sounds import Sample
from pipeline.variants import Variant


@dataclass(frozen=True)
class Line:
    """What all variants made of one prompt and seed.

    Attributes:
        title: the prompt, or what it is.
        about: seed and length, as far as they are known.
        sounds: by variant; one that lacks it is absent.
    """

    title: str
    about: tuple[str, ...]
    sounds: Mapping[str, Sample]


@dataclass(frozen=True)
class Audition:
    """The sounds of all variants that have any.

    Attributes:
        variants: their names, as everybody may see them.
        blind: the same names in the order in which they are hidden behind letters.
        lines: sounds that compare.
    """

    variants: tuple[str, ...]
    blind: tuple[str, ...]
    lines: tuple[Line, ...]

    @classmethod
    def of(cls, variants: Sequence[Variant], seed: int = 0) -> Audition:
        """Line up the sounds with the same prompt, seed and length.

        Args:
            variants: in the order of their columns.
            seed: of the blind order.
        """
        names = tuple(variant.name for variant in variants if variant.samples)
        grouped: dict[tuple[object, ...], dict[str, Sample]] = {}
        for variant in variants:
            for sample in variant.samples:
                grouped.setdefault(_likeness(sample), {}).setdefault(variant.name, sample)
        lines = tuple(_line(sounds) for sounds in grouped.values())
        return cls(names, tuple(sorted(names, key=lambda n: digest([seed, n, *names]))), lines)

    @property
    def letters(self) -> Mapping[str, str]:
        """The letter behind which each variant hides: A, B, ... Z, AA."""
        return {name: letter(position) for position, name in enumerate(self.blind)}


def letter(position: int) -> str:
    """Count with letters, as the columns of a spreadsheet."""
    more, last = divmod(position, 26)
    return (letter(more - 1) if more else "") + chr(ord("A") + last)


def _likeness(sample: Sample) -> tuple[object, ...]:
    """Give what two sounds share that compare; what nothing drew is known by its file."""
    drawn = sample.prompt or sample.seed is not None
    known = (sample.prompt, sample.seed) if drawn else (sample.path.name,)
    return (*known, sample.seconds)


def _line(sounds: Mapping[str, Sample]) -> Line:
    first = next(iter(sounds.values()))
    seed = "" if first.seed is None else f"seed {first.seed}"
    seconds = "" if first.seconds is None else f"{first.seconds:g} s"
    return Line(first.prompt or first.title, tuple(filter(None, (seed, seconds))), sounds)

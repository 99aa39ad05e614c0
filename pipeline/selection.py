"""Which stages a request wants: ``stages``, ``from_stage``, ``until_stage`` and ``force``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from pipeline.errors import ConfigError


@dataclass(frozen=True)
class Selection:
    """The stages to run, in order, and those to redo although nothing changed."""

    chosen: tuple[str, ...]
    forced: frozenset[str]

    def without(self, name: str) -> Selection:
        """Leave a stage out."""
        chosen = tuple(other for other in self.chosen if other != name)
        return Selection(chosen, self.forced - {name})


def _known(key: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        near = get_close_matches(name, names, 1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise ConfigError(
            f"{key}={name}: there is no such stage.", hint=f"{hint}Stages: {', '.join(names)}."
        )


def select(
    names: Sequence[str],
    stages: Sequence[str],
    from_stage: str | None,
    until_stage: str | None,
    force: str | None,
) -> Selection:
    """Choose among all ``names`` (in their order) the stages that run.

    Raises:
        ConfigError: for an unknown name, an empty range, or a forced stage outside of it.
    """
    for name in stages:
        _known("stages", name, names)
    for key, bound in (("from_stage", from_stage), ("until_stage", until_stage)):
        if bound is not None:
            _known(key, bound, names)
    first = names.index(from_stage) if from_stage else 0
    last = names.index(until_stage) if until_stage else len(names) - 1
    chosen = tuple(n for i, n in enumerate(names) if n in stages and first <= i <= last)
    if not chosen:
        raise ConfigError(
            "No stage is left to run.",
            f"stages={list(stages)} from_stage={from_stage} until_stage={until_stage}",
            f"The order is: {', '.join(names)}.",
        )
    if force is None:
        return Selection(chosen, frozenset())
    if force == "all":
        return Selection(chosen, frozenset(chosen))
    _known("force", force, (*names, "all"))
    if force not in chosen:
        raise ConfigError(
            f"force={force}: that stage is not among those to run.",
            hint=f"To run: {', '.join(chosen)}.",
        )
    return Selection(chosen, frozenset({force}))

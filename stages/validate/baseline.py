"""An earlier release, and what has become of its config, weights, metrics and sounds."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pipeline.amounts import many
from pipeline.errors import PipelineError
from pipeline.layout import CARD, COMPRESSION, RELEASE_JSON, STATE_DICT, ReleaseFolder
from pipeline.paths import expanded
from stages.common import sources
from stages.common.casting import FLOATS
from stages.common.checks import Outcome, failed, listed, passed, phrased, skipped, warned
from stages.common.claims import SAMPLES_JSON
from stages.common.history import BEST_METRIC
from stages.common.settings import Unusable
from stages.common.stored import Tensor
from stages.validate.parity import numbers_in, side_by_side

_ROW = re.compile(r"^\| ([\w.]+) \| [^|]* \| ([^|]+) \|$", re.MULTILINE)
"""A line of the metrics in a card: name, training, validation."""

_MOST = 10
"""Tensors that the report lists, those that changed most first."""


@dataclass(frozen=True)
class Baseline:
    """An earlier release.

    Attributes:
        what: how it was asked for: its folder, that of its run, or a Hub id.
    """

    what: str

    def file(self, name: str) -> Path:
        """Give a file of it, having downloaded it where it must be.

        Raises:
            Unusable: when it cannot be had.
        """
        try:
            return sources.resolve(self._place, file_name=name)
        except PipelineError as error:
            raise Unusable(f"the baseline has no {name}: {error.what}") from error

    def demand(self) -> None:
        """Make sure that it leads somewhere, without asking the network.

        Raises:
            SourceError: when it does not.
        """
        sources.find(self._place, file_name=RELEASE_JSON)

    @property
    def _place(self) -> str:
        inside = ReleaseFolder(expanded(self.what) / "release").root
        return str(inside) if inside.is_dir() else self.what

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """What it says of itself."""
        return _json(self.file(RELEASE_JSON))

    @cached_property
    def metrics(self) -> Mapping[str, float]:
        """Its validation metrics, as its card prints them: four digits."""
        found = {}
        for name, value in _ROW.findall(self.file(CARD).read_text("utf-8", "replace")):
            with suppress(ValueError):
                found[name] = float(value)
        return found

    @cached_property
    def samples(self) -> Mapping[str, Any]:
        """The list of its sounds."""
        return _json(self.file(SAMPLES_JSON))

    def weights(self, codec: bool) -> Path:
        """Give its file of the same model."""
        return self.file(COMPRESSION if codec else STATE_DICT)


def named(baseline: Baseline, name: str) -> Outcome:
    """See that it is a release of the same name."""
    before = baseline.manifest.get("name")
    version = baseline.manifest.get("version")
    if before != name:
        return warned(
            f"The baseline is {before} {version}, not an earlier {name}.",
            "give another: validate.baseline=PATH or a Hub id",
        )
    return passed(f"{before} {version}")


def config(before: DictConfig, after: DictConfig) -> Outcome:
    """List the values of xp.cfg that changed."""
    old, new = _flat(OmegaConf.to_container(before)), _flat(OmegaConf.to_container(after))
    changed = {
        key: [old.get(key), new.get(key)]
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    }
    if not changed:
        return passed(f"all {len(new)} values of xp.cfg are as before")
    told = phrased([f"{key} was {was}, is {now}" for key, (was, now) in changed.items()])
    return passed(f"{many(len(changed), 'value')} of xp.cfg changed: {told}", {"changed": changed})


@dataclass(frozen=True)
class Change:
    """How far a tensor moved.

    Attributes:
        changed: how many elements are not what they were.
        largest: the largest difference.
        square: the sum of the squared differences.
        before: the sum of the squares before.
    """

    changed: int
    largest: float
    square: float
    before: float

    @property
    def relative(self) -> float:
        """The length of the difference by the length of the tensor before."""
        return math.sqrt(self.square / self.before) if self.before else float(self.square > 0)


def tensors(
    before: Mapping[str, Tensor], after: Mapping[str, Tensor], advance: Callable[[int], None]
) -> Outcome:
    """Tell which tensors changed, and how far."""
    lost, new = sorted(before.keys() - after.keys()), sorted(after.keys() - before.keys())
    both = [name for name in after if name in before]
    reshaped = [name for name in both if before[name].shape != after[name].shape]
    changes: dict[str, Change] = {}
    for name in both:
        if name in reshaped or {before[name].dtype, after[name].dtype} - set(FLOATS):
            continue
        change = _change(before[name], after[name], advance)
        if change.changed:
            changes[name] = change
    most = sorted(changes, key=lambda name: -changes[name].relative)
    square, scale = (sum(getattr(c, n) for c in changes.values()) for n in ("square", "before"))
    figures = {
        "compared": len(both),
        "changed": len(changes),
        "gone": len(lost),
        "new": len(new),
        "reshaped": len(reshaped),
        "largest_difference": max((c.largest for c in changes.values()), default=0.0),
        "relative_difference": math.sqrt(square / scale) if scale else 0.0,
        "most": [[name, round(changes[name].relative, 6)] for name in most[:_MOST]],
    }
    if not (changes or lost or new or reshaped):
        return passed(f"all {len(both)} tensors are as before", figures)
    parts = [f"{len(changes)} of {len(both)} tensors changed"]
    if changes:
        parts[0] += f", by {figures['relative_difference']:.2%} together, most in {listed(most)}"
    for names, what in ((lost, "gone"), (new, "new"), (reshaped, "of another shape")):
        if names:
            parts.append(f"{what}: {listed(names)}")
    return passed("; ".join(parts), figures)


def _change(before: Tensor, after: Tensor, advance: Callable[[int], None]) -> Change:
    import numpy as np

    changed, largest, square, scale = 0, 0.0, 0.0, 0.0
    for left, right in side_by_side(before, after):
        old, new = numbers_in(left, before.dtype), numbers_in(right, after.dtype)
        with np.errstate(invalid="ignore"):
            apart = new - old
        changed += int(((old != new) & ~(np.isnan(old) & np.isnan(new))).sum())
        finite = apart[np.isfinite(apart)]
        largest = max(largest, float(np.abs(finite).max(initial=0)))
        square += float(np.square(finite).sum())
        scale += float(np.square(old[np.isfinite(old)]).sum())
        advance(len(right))
    before.forget()
    after.forget()
    return Change(changed, largest, square, scale)


def metrics(before: Mapping[str, float], after: Mapping[str, float], most: float | None) -> Outcome:
    """Compare the validation metrics; the one that an epoch is judged by may fail the release.

    Args:
        before: of the baseline.
        after: of the epoch that is released.
        most: by how much of itself that metric may rise; ``None`` for as much as it will.
    """
    both = {
        name: [before[name], after[name]]
        for name in after
        if name in before and math.isfinite(after[name]) and math.isfinite(before[name])
    }
    if BEST_METRIC not in before or BEST_METRIC not in after:
        return unknown(f"the baseline and this release do not both tell their {BEST_METRIC}", most)
    old, new = before[BEST_METRIC], after[BEST_METRIC]
    rise = (new - old) / abs(old) if old else math.inf
    figures = {"metrics": both, "regression": rise if math.isfinite(rise) else None}
    # A card has four digits: 0.0005 more is not more.
    told = f"valid {BEST_METRIC} {new:.4g}, was {old:.4g} ({rise:+.2%})"
    if most is not None and not rise <= most + 5e-4:
        what = f"The release is worse than its baseline by more than {most:.2%}: {told}."
        return failed(what, "choose another epoch, or raise validate.max_regression", figures)
    return passed(told, figures)


def unknown(reason: str, most: float | None) -> Outcome:
    """Say why the metrics cannot be compared, which fails a release that has to be no worse."""
    if most is None:
        return skipped(reason)
    what = f"Whether the release is worse than its baseline cannot be told: {reason}."
    return failed(what, "give another baseline, or none and validate.max_regression=null")


def samples(before: Mapping[str, Any], after: Mapping[str, Any]) -> Outcome:
    """Tell which sounds are the same as before; those of one name have one prompt and seed."""
    old, new = ({s["file"]: s for s in listing.get("samples", ())} for listing in (before, after))
    digests = [listing.get("files", {}) for listing in (before, after)]
    both = [
        name
        for name in new
        if name in old and all(new[name][k] == old[name][k] for k in ("prompt", "seed", "seconds"))
    ]
    same = [name for name in both if digests[0].get(name) == digests[1].get(name)]
    figures = {"compared": len(both), "same": len(same)}
    if not both:
        return skipped("the baseline has no sounds of the same prompts, seeds and durations")
    if len(same) == len(both):
        return passed(f"all {len(both)} sounds are as before", figures)
    other = [name for name in both if name not in same]
    return passed(
        f"{len(same)} of {len(both)} sounds are as before; others: {listed(other)}", figures
    )


def _json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Unusable(f"the baseline's {path.name} cannot be read") from error
    if not isinstance(found, Mapping):
        raise Unusable(f"the baseline's {path.name} is no list of names and values")
    return found


def _flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Give the values of a nested dict by dotted key."""
    if not isinstance(node, dict) or not node:
        return {prefix.removesuffix("."): node}
    return {k: v for name, held in node.items() for k, v in _flat(held, f"{prefix}{name}.").items()}

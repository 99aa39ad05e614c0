"""An earlier release, and what has become of its config, weights, metrics and sounds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
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
from stages.common.checks import Outcome, failed, listed, passed, phrased, skipped, warned
from stages.common.claims import SAMPLES_JSON
from stages.common.history import BEST_METRIC
from stages.common.settings import Unusable
from stages.common.stored import Tensor
from stages.common.tensor_changes import tensor_changes
from stages.common.told_metrics import ToldMetrics
from stages.common.value_changes import flat, value_changes

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
        told = ToldMetrics.in_card(self.file(CARD).read_bytes()).values
        parted = [(*name.partition("."), value) for name, value in told.items()]
        return {name: value for section, _, name, value in parted if section == "valid"}

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
    old, new = flat(OmegaConf.to_container(before)), flat(OmegaConf.to_container(after))
    changed = {key: [old.get(key), new.get(key)] for key in value_changes(old, new).keys}
    if not changed:
        return passed(f"all {len(new)} values of xp.cfg are as before")
    told = phrased([f"{key} was {was}, is {now}" for key, (was, now) in changed.items()])
    return passed(f"{many(len(changed), 'value')} of xp.cfg changed: {told}", {"changed": changed})


def tensors(
    before: Mapping[str, Tensor], after: Mapping[str, Tensor], advance: Callable[[int], None]
) -> Outcome:
    """Tell which tensors changed, and how far.

    Raises:
        Unusable: when one of them cannot be read.
    """
    found = tensor_changes(before, after, advance)
    if faults := [tensor.fault for tensor in found.changed if tensor.fault]:
        raise Unusable(f"a tensor cannot be read: {faults[0]}")
    reshaped = [tensor.name for tensor in found.changed if tensor.reshaped]
    moved = [tensor for tensor in found.moved if tensor.change and tensor.change.changed]
    figures = {
        "compared": found.compared,
        "changed": len(moved),
        "gone": len(found.gone),
        "new": len(found.new),
        "reshaped": len(reshaped),
        "largest_difference": found.together.largest,
        "relative_difference": found.together.relative,
        "most": [[t.name, round(t.change.relative, 6)] for t in moved[:_MOST] if t.change],
    }
    if not (moved or found.gone or found.new or reshaped):
        return passed(f"all {found.compared} tensors are as before", figures)
    parts = [f"{len(moved)} of {found.compared} tensors changed"]
    if moved:
        most = listed([tensor.name for tensor in moved])
        parts[0] += f", by {found.together.relative:.2%} together, most in {most}"
    for names, what in ((found.gone, "gone"), (found.new, "new"), (reshaped, "of another shape")):
        if names:
            parts.append(f"{what}: {listed(names)}")
    return passed("; ".join(parts), figures)


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

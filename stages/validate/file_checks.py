"""Checks of one file on its own: can it be read, is everything in it, are the bytes whole?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.amounts import many
from pipeline.layout import STAGE_JSON
from stages.common.checkpoint import State
from stages.common.checks import Outcome, failed, listed, passed, phrased, skipped, warned
from stages.common.unfit import ANOTHER_STATE, Accepted
from stages.validate.opened import OpenedFile, Unavailable
from stages.validate.scan import Scan

MODEL_KEYS = ("best_state", "xp.cfg", "version", "exported")
REFERENCE_KEYS = ("pretrained", "exported", "version")


def layout(expected: dict[str, Path]) -> Outcome:
    """Compare what the export stages left with the one file that each should leave."""
    wrong = []
    for stage, path in expected.items():
        there = {entry.name for entry in path.parent.iterdir()} if path.parent.is_dir() else set()
        if path.name not in there:
            wrong.append(f"{stage} left no {path.name}")
        wrong += [f"{stage} left {name}" for name in sorted(there - {path.name, STAGE_JSON})]
    if wrong:
        return failed(f"{phrased(wrong)}.", f"force={next(iter(expected))} writes it anew")
    return passed(", ".join(path.name for path in expected.values()))


def loads(file: OpenedFile) -> Outcome:
    """Load the file as a careful user does, and see that torch and our reader agree."""
    if file.problem:
        return failed(file.problem, file.remedy)
    import torch

    try:
        unsafe = torch.serialization.get_unsafe_globals_in_checkpoint(file.path)
        package = torch.load(file.path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # noqa: BLE001 - torch raises whatever a broken file leads it into
        reason = str(error).partition("\n")[0].replace(str(file.path), file.name)
        return failed(f"torch.load(weights_only=True) refuses {file.name}: {reason}", file.remedy)
    if unsafe:
        return failed(f"{file.name} names code to run: {listed(sorted(unsafe))}.", file.remedy)
    state = package.get("best_state")
    seen = {
        name: (str(value.dtype).removeprefix("torch."), tuple(value.shape))
        for name, value in (state.items() if isinstance(state, dict) else ())
        if isinstance(value, torch.Tensor)
    }
    refs = {} if file.pretrained else file.tensors
    if seen != {name: (ref.dtype, ref.shape) for name, ref in refs.items()}:
        return failed(f"torch reads other tensors from {file.name} than are in it.", file.remedy)
    return passed(f"torch.load(weights_only=True) reads {many(len(seen), 'tensor')}")


def fields(file: OpenedFile) -> Outcome:
    """See that the keys are there by which AudioCraft's loaders know an export."""
    package = file.package
    wanted = REFERENCE_KEYS if file.pretrained else MODEL_KEYS
    missing = [key for key in wanted if key not in package]
    if missing:
        return failed(f"{file.name} lacks {listed(missing)}.", file.remedy)
    if package["exported"] is not True or not isinstance(package["version"], str):
        return failed(f"{file.name} is not marked as exported.", file.remedy)
    if file.pretrained is None and not file.only_tensors:
        return failed(f"The best_state of {file.name} is not a dict of tensors.", file.remedy)
    more = [str(key) for key in package if key not in wanted]
    if more:
        return warned(f"{file.name} holds more than a release: {listed(more)}.", file.remedy)
    return passed(f"{', '.join(wanted)}; version {package['version']}")


def config(file: OpenedFile) -> Outcome:
    """Parse xp.cfg as AudioCraft does."""
    if "xp.cfg" not in file.package:
        return skipped(f"{file.name} has no xp.cfg")
    try:
        nodes = len(file.config)
    except Unavailable as reason:
        return failed(str(reason), file.remedy)
    return passed(f"xp.cfg parses, {nodes} nodes")


def records(file: OpenedFile, scan: Callable[[], Scan]) -> Outcome:
    """Report the records whose bytes changed since they were written."""
    if file.problem:
        return failed(file.problem, file.remedy)
    if damaged := scan().damaged:
        return failed(f"{file.name} is damaged: {listed(damaged, 1)}", file.remedy)
    return passed(f"{len(file.archive.records)} records match their checksums")


def finite(file: OpenedFile, scan: Scan, accepted: Accepted) -> Outcome:
    """Report the tensors with NaN or Inf; a warning where the export was told to accept them."""
    if not scan.infinite:
        return passed(f"no NaN or Inf in {many(len(file.tensors), 'tensor')}")
    if set(scan.infinite) <= set(accepted.names):
        return warned(accepted.what, accepted.remedy)
    told = f"{many(len(scan.infinite), 'tensor')}: {listed(scan.infinite)}"
    return failed(f"NaN or Inf in {told}.", ANOTHER_STATE)


def state(file: OpenedFile, digest: str | None, kept: bool) -> Outcome:
    """Compare the weights with those that were chosen from the checkpoint."""
    if digest is None:
        return skipped("the source's digest is not known")
    if not kept:
        return skipped("the weights were cast to another dtype")
    own = State("best", "best_state", file.weights).digest()
    if own != digest:
        return failed(f"The weights in {file.name} are not those of the checkpoint.", file.remedy)
    return passed("the weights are those of the checkpoint, bit for bit")

"""A model's file as parts of a page: what it is, its weights, its metrics, its contents."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.amounts import amount, count, many
from pipeline.sheet import Fields, Grid, Part
from stages.common.architecture import Architecture
from stages.common.best import Best
from stages.common.experiments import PREFIX
from stages.common.metric_grid import metric_grid
from stages.common.model_file import ModelFile, Weights

FORMS = {
    "training": "training checkpoint",
    "exported": "exported file",
    "all_in_one": "release in one file",
    "reference": "reference to a codec",
    "legacy": "file in torch's old form",
    "unreadable": "file that cannot be released",
}
"""What people call the forms of a file."""


def headline(model: ModelFile) -> str:
    """Say in a few words what a file is."""
    title = [model.architecture.title] if model.architecture else []
    form = FORMS[model.form]
    if not model.whole and model.form == "training":
        form = "beginning of a training checkpoint"
    text = ", ".join([*title, form, amount(model.size)])
    return text[0].upper() + text[1:]


def model_parts(model: ModelFile) -> Iterator[Part]:
    """Set out what a file holds."""
    yield Fields(tuple(_fields(model)))
    if model.states or model.shards:
        yield _states(model)
    if model.history:
        yield metric_grid(model.history, model.best.epoch if model.best else None)
    if model.form in ("training", "unreadable") and model.contents:
        yield _contents(model)


def _fields(model: ModelFile) -> Iterator[tuple[str, str]]:
    if model.signature:
        yield "signature", f"{PREFIX}{model.signature}"
    if model.pretrained:
        yield "stands for", model.pretrained
    if model.architecture is not None:
        yield from _architecture(model.architecture)
    if model.codec:
        yield "codec", model.codec
    if model.base_model:
        kept = f"; {model.base_license} is kept by all that descends from it"
        yield "base model", model.base_model + (kept if model.base_license else "")
    if model.epochs:
        yield "trained", _trained(model.epochs, model.best)
    if model.version:
        yield "format", f"that of AudioCraft {model.version}"
    if model.form == "unreadable" and model.keys:
        yield "holds", ", ".join(model.keys[:12]) + (", ..." if len(model.keys) > 12 else "")


def _architecture(model: Architecture) -> Iterator[tuple[str, str]]:
    codec = model.solver == "compression"
    sizes = (
        ("layers", model.layers),
        ("heads", model.heads),
        ("latents of" if codec else "dim", model.dim),
    )
    codes = None
    if model.codebooks and model.cardinality:
        codes = f"{model.codebooks:g} codebooks of {model.cardinality:g}"
    told = [f"{value:g} {name}" for name, value in sizes[:2] if value]
    told += [f"{sizes[2][0]} {model.dim:g}"] if model.dim else []
    told += [codes] if codes else []
    told += [f"{model.frame_rate:g} Hz frames"] if model.frame_rate else []
    yield "sizes", ", ".join(told)
    channels = {1.0: "mono", 2.0: "stereo"}.get(model.channels or 0.0, "")
    audio = [f"{model.sample_rate / 1000:g} kHz {channels}".rstrip()] if model.sample_rate else []
    seconds = model.segment_duration
    audio += [f"trained on segments of {seconds:g} s"] if seconds else []
    yield "audio", ", ".join(audio)
    if codec:
        return
    told = [
        f"{one.name} ({', '.join((one.encoder or one.model, *one.fused))})"
        for one in model.conditioners
    ]
    yield "conditioned on", ", ".join(told) or "nothing: it generates unconditionally"


def _trained(epochs: int, best: Best | None) -> str:
    told = many(epochs, "epoch")
    if best is None:
        return f"{told}, none of them best"
    judged = f" (valid {best.metric} {_value(best.value)})" if best.metric else ""
    return f"{told}, the best is {best.epoch}{judged}"


def _states(model: ModelFile) -> Grid:
    rows = [
        (
            state.name,
            str(state.epoch or "-"),
            count(state.parameters),
            ", ".join(f"{dtype} ({number})" for dtype, number in state.dtypes.items()),
            amount(state.bytes),
            state.key,
        )
        for state in model.states
    ]
    shards = ", ".join(model.shards)
    note = f"Only one rank's share is there of: {shards}." if shards else ""
    header = ("state", "epoch", "parameters", "tensors", "size", "key in the file")
    return Grid(
        header, tuple(rows), "Weights" if model.whole else "Weights that it was to hold", note
    )


def _contents(model: ModelFile) -> Grid:
    rows = tuple((c.key, f"{c.tensors:,}", amount(c.bytes)) for c in model.contents)
    total = sum(content.bytes for content in model.contents)
    everything = ("all", f"{sum(c.tensors for c in model.contents):,}", amount(total))
    note = "A release takes one set of weights; the rest is for going on with the training."
    header = ("key", "tensors", "size")
    return Grid(header, (*rows, everything), "What the file's size is made of", note)


def tensor_grid(model: ModelFile, state: Weights) -> Grid:
    """Set out the tensors of a state, a line each."""
    rows = tuple(
        (t.name, t.dtype, "x".join(map(str, t.shape)) or "-", f"{t.bytes:,}") for t in state.tensors
    )
    title = f"{model.path.name}, {state.name}: {many(len(rows), 'tensor')}"
    return Grid(("tensor", "dtype", "shape", "bytes"), rows, title)


def _value(value: float | str | None) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

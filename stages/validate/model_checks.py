"""Checks of a file against its own xp.cfg: what the builders need, and the tensors that follow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from stages.common.checks import Outcome, failed, listed, passed, skipped, warned
from stages.common.settings import Settings, Unusable
from stages.validate import encodec, flow_matching, language_model
from stages.validate.keys import Difference, KeyModel
from stages.validate.opened import OpenedFile

FLOATS = ("float", "bfloat", "complex")

BUILDERS: Mapping[str, Mapping[str, Callable[[Settings], KeyModel]]] = {
    "transformer_lm": dict.fromkeys(("musicgen", "audiogen"), language_model.key_model),
    "transformer_lm_magnet": dict.fromkeys(("magnet", "audio_magnet"), language_model.key_model),
    "flow_matching": {"jasco": flow_matching.key_model},
}
"""By ``lm_model`` and ``solver`` of xp.cfg, what gives the tensors that AudioCraft builds."""

COUNTER = ".num_batches_tracked"
"""How the name of a batch norm's counter ends: a whole number, whatever the dtype of the model."""


def key_model(settings: Settings) -> KeyModel | str:
    """Give the key model of a config, or the reason why there is none."""
    solver, lm = settings.get("solver"), settings.get("lm_model")
    if lm is not None or settings.has("transformer_lm"):
        if build := BUILDERS.get(str(lm), {}).get(str(solver)):
            return build(settings)
        return f"no key model for solver {solver} with {lm}"
    parts = [settings.get(path) for path in ("encodec.autoencoder", "encodec.quantizer")]
    if settings.get("compression_model") == "encodec" and parts == ["seanet", "rvq"]:
        return encodec.key_model(settings)
    return f"no key model for {settings.get('compression_model')}"


def deviation(file: OpenedFile, settings: Settings) -> str:
    """Give what keeps a model from being built by its xp.cfg and filled; empty where nothing does.

    Raises:
        Unusable: when xp.cfg does not say the shapes.
    """
    model = key_model(settings)
    if isinstance(model, str):
        return model
    return "its tensors are not those of its xp.cfg" if model.difference(file.shapes) else ""


def tensors(file: OpenedFile, settings: Settings) -> Outcome:
    """Compare names and shapes with those that xp.cfg implies."""
    try:
        model = key_model(settings)
    except Unusable as error:
        return skipped(f"xp.cfg does not say the shapes: {error}")
    if isinstance(model, str):
        return skipped(model)
    difference = model.difference(file.shapes)
    if difference:
        return failed(_told(difference), _cure(difference))
    message = f"{len(file.tensors)} tensors are exactly those that xp.cfg implies"
    return passed("; ".join([message, *model.open.values()]))


def dtypes(file: OpenedFile, asked: str) -> Outcome:
    """See that the floats are of one dtype, the one asked for."""
    refs = {name: ref for name, ref in file.tensors.items() if not name.endswith(COUNTER)}
    found = Counter(ref.dtype for ref in refs.values())
    other = [dtype for dtype in found if not dtype.startswith(FLOATS)]
    if other:
        names = [name for name, ref in refs.items() if ref.dtype in other]
        return failed(f"Weights that are no floats: {listed(names)} ({other[0]}).", file.remedy)
    if asked != "keep" and set(found) != {asked}:
        names = [name for name, ref in refs.items() if ref.dtype != asked]
        return failed(f"export.dtype={asked}, but not so: {listed(names)}.", file.remedy)
    told = ", ".join(f"{count} {dtype}" for dtype, count in sorted(found.items()))
    if len(found) > 1:
        return warned(f"The weights are of mixed dtypes: {told}.", "export.dtype=float32 evens out")
    return passed(told)


def _told(difference: Difference) -> str:
    parts = []
    if difference.missing:
        parts.append(f"{len(difference.missing)} missing: {listed(difference.missing)}")
    if difference.unexpected:
        parts.append(f"{len(difference.unexpected)} unexpected: {listed(difference.unexpected)}")
    if difference.misshapen:
        parts.append(f"{len(difference.misshapen)} of another shape: {difference.misshapen[0]}")
    return f"The tensors are not those that xp.cfg implies: {'; '.join(parts)}."


def _cure(difference: Difference) -> str:
    """Name the override for the one mistake that shows: attention spelt for the other setting."""
    spelt = {name.replace(".mha.", ".", 1) for name in difference.unexpected if ".mha." in name}
    if spelt and spelt <= set(difference.missing):
        return (
            "'export.config_overrides="
            "{transformer_lm.custom: false, transformer_lm.memory_efficient: false}'"
        )
    return "make xp.cfg say what was trained: 'export.config_overrides={KEY: VALUE}'"

"""How a published model is loaded, in lines to type."""

from __future__ import annotations

import json
import shlex

from stages.common.card import FAMILIES
from stages.common.model_file import CODEC_STATE, ModelFile


def load_lines(place: str, model: ModelFile, paired: bool = False) -> tuple[str, ...]:
    """Tell how AudioCraft loads a published model.

    Args:
        place: a folder, one file or a Hub id.
        model: the language model there, or the codec where that is alone.
        paired: whether the language model's codec is there too.
    """
    where, architecture = json.dumps(place, ensure_ascii=False), model.architecture
    family = FAMILIES.get(architecture.solver or "") if architecture else None
    if any(state.name == CODEC_STATE for state in model.states):
        return (f"python -m pipeline.unpack {shlex.quote(place)} FOLDER",)
    whole = paired or model.form == "all_in_one"
    if model.family == "lm" and whole and family is not None and family.loader:
        return (
            f"from audiocraft.models import {family.loader}",
            f"model = {family.loader}.get_pretrained({where})",
        )
    function = "load_lm_model" if model.family == "lm" else "load_compression_model"
    return (
        f"from audiocraft.models.loaders import {function}",
        f"model = {function}({where})",
    )

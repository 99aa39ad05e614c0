"""What an xp.cfg must say for AudioCraft to build the model that was trained.

Most of what is missing makes the builders raise. The worst is what does not: without
``transformer_lm.num_heads``, ``activation`` or ``causal`` (``seanet.activation``, ``causal``,
``pad_mode`` or ``dilation_base`` in a codec) the model loads and computes something else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from omegaconf import DictConfig, OmegaConf

from stages.common.checks import Outcome, failed, listed, passed, phrased, skipped, warned
from stages.common.settings import CODEC_NODES, LM_NODES, Settings, Unusable

Rule = Callable[[Settings, str], object]

PATTERNS = ("parallel", "delay", "unroll", "coarse_first", "musiclm")
LM_MODELS = ("transformer_lm", "transformer_lm_magnet")
SOLVERS = ("musicgen", "audiogen", "magnet", "audio_magnet", "compression")
_ENVIRONMENT = re.compile(r"\$\{\s*oc\.env\s*:")


def _count(settings: Settings, path: str) -> object:
    return settings.count(path)


def _number(settings: Settings, path: str) -> object:
    value = settings.need(path)
    if type(value) not in (int, float):
        raise Unusable(f"{path} is {value!r}, not a number")
    return value


def _flag(settings: Settings, path: str) -> object:
    value = settings.need(path)
    if not isinstance(value, bool):
        raise Unusable(f"{path} is {value!r}, not true or false")
    return value


def _text(settings: Settings, path: str) -> object:
    value = settings.need(path)
    if not isinstance(value, str):
        raise Unusable(f"{path} is {value!r}, not a name")
    return value


def _node(settings: Settings, path: str) -> object:
    if settings.need(path) is None:
        raise Unusable(f"{path} is null, where the builders want a node")
    return settings.mapping(path)


def _list(settings: Settings, path: str) -> object:
    if settings.need(path) is None:
        raise Unusable(f"{path} is null, where the builders want a list")
    return settings.names(path)


LM_RULES: dict[str, Rule] = {
    "lm_model": _text,
    **{
        f"transformer_lm.{name}": _count
        for name in ("dim", "num_heads", "num_layers", "n_q", "card")
    },
    "transformer_lm.activation": _text,
    **{
        f"transformer_lm.{name}": _flag
        for name in ("causal", "norm_first", "bias_ff", "bias_attn", "bias_proj")
    },
    "dataset.segment_duration": _number,
    "sample_rate": _count,
    "codebooks_pattern": _node,
    "classifier_free_guidance.training_dropout": _number,
    "classifier_free_guidance.inference_coef": _number,
    "attribute_dropout": _node,
    "conditioners": _node,
    **{f"fuser.{name}": _list for name in ("sum", "prepend", "cross", "input_interpolate")},
}
"""By path, what the LM builders take."""

CODEC_RULES: dict[str, Rule] = {
    "compression_model": _text,
    "encodec.autoencoder": _text,
    "encodec.quantizer": _text,
    "encodec.sample_rate": _count,
    "encodec.channels": _count,
    **{
        f"seanet.{name}": _count for name in ("dimension", "channels", "n_filters", "dilation_base")
    },
    "seanet.ratios": _list,
    "seanet.activation": _text,
    "seanet.pad_mode": _text,
    "seanet.norm": _text,
    "seanet.causal": _flag,
    "seanet.encoder": _node,
    "seanet.decoder": _node,
    "rvq.n_q": _count,
    "rvq.bins": _count,
}
"""By path, what the codec builders take."""

CONDITIONER_RULES: dict[str, dict[str, Rule]] = {
    "t5": {"name": _text, "finetune": _flag},
    "lut": {"n_bins": _count, "dim": _count, "tokenizer": _text},
    "chroma_stem": {"sample_rate": _count, "n_chroma": _count, "radix2_exp": _count},
    "clap": {"dim": _count, "checkpoint": _text},
    "style": {
        "model_name": _text,
        "sample_rate": _count,
        "encodec_checkpoint": _text,
        "length": _number,
    },
}
"""By model, what a conditioner takes below ``conditioners.NAME.MODEL``."""


def requirements(config: DictConfig, settings: Settings) -> Outcome:
    """Check that AudioCraft can build the model, and that it will be the one that was trained."""
    solver = settings.get("solver")
    if solver not in SOLVERS:
        return skipped(f"what solver {solver} needs is not known here")
    lm = solver != "compression"
    complaints = [f"{node} does not resolve: {why}" for node, why in settings.dangling.items()]
    for path, rule in (LM_RULES if lm else CODEC_RULES).items():
        if not any(path == node or path.startswith(f"{node}.") for node in settings.dangling):
            complaints += _complaint(settings, path, rule)
    if not complaints and lm:
        complaints += _language_model(settings)
    if complaints:
        return failed(f"xp.cfg: {phrased(complaints)}.", _cure(complaints[0]))
    if _ENVIRONMENT.search(str(_raw(config))):
        return warned(
            "xp.cfg asks the reader's environment for values (oc.env).",
            "export.sanitize=true, or set them with export.config_overrides",
        )
    return passed("xp.cfg has all that AudioCraft's builders read")


def _language_model(settings: Settings) -> Iterator[str]:
    """Find what each value allows but the builders, or the first generation, do not."""
    if (model := settings.get("lm_model")) not in LM_MODELS:
        yield f"lm_model is {model!r}, not one of {', '.join(LM_MODELS)}"
    pattern = settings.get("codebooks_pattern.modeling")
    if pattern is None and settings.get("transformer_lm.q_modeling") is None:
        yield "codebooks_pattern.modeling is missing"
    elif pattern is not None and pattern not in PATTERNS:
        yield f"codebooks_pattern.modeling is {pattern!r}, not one of {', '.join(PATTERNS)}"
    dim, heads = settings.get("transformer_lm.dim"), settings.get("transformer_lm.num_heads")
    if dim % heads:
        yield f"transformer_lm.num_heads is {heads}, which does not divide dim {dim}"
    for needy in ("depthwise_init", "zero_bias_init"):
        if settings.get(f"transformer_lm.{needy}") and not settings.get(
            "transformer_lm.weight_init"
        ):
            yield f"transformer_lm.weight_init is missing, which {needy} needs"
    if settings.get("lm_model") == "transformer_lm_magnet":
        yield from _complaint(settings, "masking.span_len", _count)
    yield from _conditioning(settings)


def _conditioning(settings: Settings) -> Iterator[str]:
    fused = {
        name: method
        for method in ("sum", "prepend", "cross", "input_interpolate")
        for name in settings.names(f"fuser.{method}")
    }
    found = settings.conditioners
    for name, model in found.items():
        yield from _complaint(settings, f"conditioners.{name}.{model}", _node)
        for key, rule in CONDITIONER_RULES.get(model, {}).items():
            yield from _complaint(settings, f"conditioners.{name}.{model}.{key}", rule)
        if name not in fused:
            yield f"fuser does not say how to use the conditioner {name}"
    crossed = [name for name, method in fused.items() if method == "cross"]
    if crossed and not set(crossed) & set(found):
        yield f"fuser.cross names {listed(crossed)}, but no such conditioner is there"


def _complaint(settings: Settings, path: str, rule: Rule) -> list[str]:
    try:
        rule(settings, path)
    except Unusable as error:
        return [str(error)]
    return []


def _cure(complaint: str) -> str:
    key = complaint.partition(" ")[0]
    return f"say it: 'export.config_overrides={{{key}: VALUE}}'"


def _raw(config: DictConfig) -> object:
    """Give the nodes that builders read as they stand, interpolations unresolved."""
    tops = {name.partition(".")[0] for name in (*LM_NODES, *CODEC_NODES)}
    raw = OmegaConf.to_container(config, resolve=False)
    return {key: raw[key] for key in tops & set(raw)} if isinstance(raw, dict) else {}

"""What transformers cannot express of a model, setting by setting, with the reason.

Source: the modules of AudioCraft 1.3.0 that read these settings, and ``modeling_musicgen``,
``modeling_musicgen_melody`` and ``modeling_encodec`` of transformers 5, which have no such options.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stages.common.settings import Settings, Unusable


@dataclass(frozen=True)
class _Fixed:
    """A setting that transformers has fixed.

    Attributes:
        key: in xp.cfg.
        default: AudioCraft's own, where xp.cfg does not say.
        allowed: what transformers does.
        reason: what it lacks.
    """

    key: str
    default: Any
    allowed: tuple[Any, ...]
    reason: str

    def obstacle(self, settings: Settings) -> str | None:
        """Say what stands in the way, if it does."""
        value = settings.get(self.key, self.default)
        if any(value == allowed and type(value) is type(allowed) for allowed in self.allowed):
            return None
        return f"{self.key} is {shown(value)}: {self.reason}"


_LM = "transformer_lm"
_DECODER = (
    _Fixed(
        "lm_model", "transformer_lm", ("transformer_lm",), "only the autoregressive LM is there"
    ),
    _Fixed(f"{_LM}.positional_embedding", "sin", ("sin",), "it has sinusoidal positions alone"),
    _Fixed(f"{_LM}.positional_scale", 1.0, (1.0, 1), "it does not scale positions"),
    _Fixed(f"{_LM}.max_period", 10_000, (10_000, 10_000.0), "its positions have period 10000"),
    _Fixed(f"{_LM}.norm_first", False, (True,), "its layers normalize first"),
    _Fixed(f"{_LM}.norm", "layer_norm", ("layer_norm",), "it has layer norms alone"),
    _Fixed(f"{_LM}.activation", "gelu", ("gelu",), "AudioCraft's others have no counterpart"),
    _Fixed(f"{_LM}.bias_attn", True, (False,), "its attention has no biases"),
    _Fixed(f"{_LM}.bias_ff", True, (False,), "its feed-forward layers have no biases"),
    _Fixed(f"{_LM}.bias_proj", True, (False,), "its heads have no biases"),
    _Fixed(f"{_LM}.qk_layer_norm", False, (False, None), "it does not normalize queries and keys"),
    _Fixed(f"{_LM}.qk_layer_norm_cross", False, (False, None), "the same of cross-attention"),
    _Fixed(f"{_LM}.kv_repeat", 1, (1,), "it does not share keys and values between heads"),
    _Fixed(f"{_LM}.layer_scale", None, (None,), "it has no layer scale"),
    _Fixed(f"{_LM}.causal", True, (True,), "it only looks back"),
    _Fixed(f"{_LM}.past_context", None, (None,), "it looks back without a limit"),
    _Fixed("codebooks_pattern.modeling", "delay", ("delay",), "it knows the delay pattern alone"),
    _Fixed("codebooks_pattern.delay.flatten_first", 0, (0,), "it flattens nothing"),
    _Fixed("codebooks_pattern.delay.empty_initial", 0, (0,), "it begins at once"),
    _Fixed(
        "interleave_stereo_codebooks.per_timestep", False, (False, None), "it interleaves books"
    ),
    _Fixed("fuser.cross_attention_pos_emb", False, (False,), "conditions have no positions there"),
)
_CODEC = (
    _Fixed("compression_model", "encodec", ("encodec",), "it knows EnCodec alone"),
    _Fixed("encodec.autoencoder", "seanet", ("seanet",), "it knows SEANet alone"),
    _Fixed("encodec.quantizer", "rvq", ("rvq",), "it knows residual quantization alone"),
    _Fixed("seanet.norm", "none", ("weight_norm", "time_group_norm"), "it has no such norm"),
    _Fixed("seanet.norm_params", {}, ({}, None), "its norms have no parameters"),
    _Fixed("seanet.activation", "ELU", ("ELU",), "it has ELU alone"),
    _Fixed("seanet.activation_params.alpha", 1.0, (1.0, 1), "its ELU has alpha 1"),
    _Fixed("seanet.disable_norm_outer_blocks", 0, (0,), "all its blocks have norms"),
    _Fixed("seanet.decoder.final_activation", None, (None,), "its decoder ends in a convolution"),
)
_SAME_IN_HALVES = ("trim_right_ratio", "final_activation", "final_activation_params")


@dataclass(frozen=True)
class Conditions:
    """How a language model is conditioned, where transformers has a class for it.

    Attributes:
        text: the name of the T5 conditioner; ``None`` for an unconditional model.
        chroma: that of the melody conditioner, where there is one.
    """

    text: str | None = None
    chroma: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> Conditions:
        """Read them from xp.cfg.

        Raises:
            Unusable: when transformers has no class for them; says why.
        """
        if obstacles := tuple(conditions_obstacles(settings)):
            raise Unusable("; ".join(obstacles))
        names = {model: name for name, model in settings.conditioners.items()}
        return cls(names.get("t5"), names.get("chroma_stem"))


def decoder_obstacles(settings: Settings) -> tuple[str, ...]:
    """Name what transformers' MusicGen decoder lacks; nothing, where it can be the model.

    What the decoder is conditioned on has no say, but for the way that it takes conditions.

    Args:
        settings: with the nodes `stages.common.settings.LM_NODES`.

    Raises:
        Unusable: when a figure is missing or none.
    """
    found = [rule.obstacle(settings) for rule in _DECODER]
    dangling = [f"{node} does not resolve: {why}" for node, why in settings.dangling.items()]
    ways = [_way(settings, way) for way in ("sum", "input_interpolate")]
    both = settings.names("fuser.cross") and settings.names("fuser.prepend")
    mixed = "fuser has both cross and prepend: it takes conditions in one way" if both else None
    return tuple(filter(None, [*dangling, *found, _delays(settings), *ways, mixed]))


def model_obstacles(settings: Settings) -> tuple[str, ...]:
    """Name all that keeps a language model from being one of transformers' whole models.

    Raises:
        Unusable: when a figure is missing or none.
    """
    found = conditions_obstacles(settings)
    if not settings.conditioners:
        missing = "there is no conditioner: transformers' MusicGen is always told a text"
        return (*decoder_obstacles(settings), missing)
    return (*decoder_obstacles(settings), *found)


def codec_obstacles(settings: Settings) -> tuple[str, ...]:
    """Name what transformers' EnCodec lacks; nothing, where it can be the codec.

    Args:
        settings: with the nodes `stages.common.settings.CODEC_NODES`.

    Raises:
        Unusable: when a figure is missing or none.
    """
    found: list[str | None] = [rule.obstacle(settings) for rule in _CODEC]
    found += [f"{node} does not resolve: {why}" for node, why in settings.dangling.items()]
    if settings.count("seanet.lstm", 0, least=0) == 0:
        found.append("seanet.lstm is 0: it always has an LSTM")
    if settings.flag("seanet.causal", False) != settings.flag("encodec.causal", False):
        found.append("seanet.causal and encodec.causal differ: it has one for both")
    trim = settings.get("seanet.decoder.trim_right_ratio", 1.0)
    if trim != 1.0 and not settings.flag("encodec.causal", False):
        found.append(f"seanet.decoder.trim_right_ratio is {trim!r}: only causal codecs trim there")
    for half in ("encoder", "decoder"):
        for name, value in settings.mapping(f"seanet.{half}").items():
            if name not in _SAME_IN_HALVES and value != settings.get(f"seanet.{name}"):
                found.append(f"seanet.{half}.{name} is {shown(value)}: its halves are alike")
    return tuple(filter(None, found))


def conditions_obstacles(settings: Settings) -> Iterator[str]:
    """Name the conditioners, and the ways into the model, that transformers has no class for."""
    models = settings.conditioners
    others = {name: model for name, model in models.items() if model not in ("t5", "chroma_stem")}
    for name, model in others.items():
        yield f"conditioners.{name} is of the kind {model}: it has text and melody alone"
    text = [name for name, model in models.items() if model == "t5"]
    chroma = [name for name, model in models.items() if model == "chroma_stem"]
    if models and len(text) != 1:
        yield f"there are {len(text)} text conditioners: it has exactly one"
    if len(chroma) > 1:
        yield f"there are {len(chroma)} melody conditioners: it has one"
    for name in text:
        for flag in ("finetune", "normalize_text"):
            if settings.flag(f"conditioners.{name}.t5.{flag}", False):
                yield f"conditioners.{name}.t5.{flag} is true: it takes T5 as it was published"
    way, wrong = ("prepend", "cross") if chroma else ("cross", "prepend")
    known = models and not others
    if known and set(settings.names(f"fuser.{way}")) != {*text, *chroma}:
        yield f"fuser.{way} is {settings.names(f'fuser.{way}')}: all conditions enter there"
    if known and (names := settings.names(f"fuser.{wrong}")):
        yield f"fuser.{wrong} is {names}: no condition enters there"
    for name in chroma:
        yield from _chroma(settings, f"conditioners.{name}.chroma_stem")


def _chroma(settings: Settings, node: str) -> Iterator[str]:
    if not settings.flag(f"{node}.argmax", False):
        yield f"{node}.argmax is false: it keeps the strongest pitch alone"
    for name in ("winlen", "winhop"):
        if settings.get(f"{node}.{name}"):
            yield f"{node}.{name} is set: its windows follow from radix2_exp"


def _delays(settings: Settings) -> str | None:
    n_q = settings.count(f"{_LM}.n_q")
    stereo = settings.interleaved
    if stereo and n_q % 2:
        return f"{_LM}.n_q is {n_q}, which two channels cannot share"
    wanted = [index // 2 for index in range(n_q)] if stereo else list(range(n_q))
    delays = settings.get("codebooks_pattern.delay.delays")
    if (list(range(n_q)) if delays is None else delays) == wanted:
        return None
    return f"codebooks_pattern.delay.delays is {shown(delays)}: its delays are {wanted}"


def _way(settings: Settings, way: str) -> str | None:
    names = settings.names(f"fuser.{way}")
    return f"fuser.{way} is {names}: it has no such way for conditions" if names else None


def shown(value: Any) -> str:
    """Give a setting as YAML would have it, cut where it is long."""
    text = {True: "true", False: "false", None: "null"}.get(value) if _plain(value) else None
    text = str(value) if text is None else text
    return text if len(text) <= 60 else f"{text[:57]}..."


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, bool)

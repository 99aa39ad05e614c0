"""What kind of model a config describes, in the figures that people compare models by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig

from pipeline.errors import FormatError
from stages.common.codecs import Codec, codec_of
from stages.common.settings import LM_NODES, Settings, Unusable

TITLES = {
    "musicgen": "MusicGen",
    "audiogen": "AudioGen",
    "magnet": "MAGNeT",
    "audio_magnet": "MAGNeT",
    "jasco": "JASCO",
    "compression": "EnCodec",
}
"""By the ``solver`` of xp.cfg, what people call the model."""

_LARGEST = 1e9
"""No figure of a real model comes near; NaN and infinities are none either."""

_FUSED = ("prepend", "cross", "sum", "input_interpolate")


@dataclass(frozen=True)
class Conditioner:
    """What a language model is told beside the codes.

    Attributes:
        name: its name in xp.cfg.
        model: its kind, ``t5``, ``lut``, ``chroma_stem`` or ``clap``.
        encoder: the name of its pretrained encoder, where it has one.
        fused: how it enters the model, ``cross`` or ``prepend`` for instance.
    """

    name: str
    model: str
    encoder: str | None
    fused: tuple[str, ...]


@dataclass(frozen=True)
class Architecture:
    """A model by its config; ``None`` where the config does not say.

    Attributes:
        title: what people call it.
        solver: what trained it.
        dim: width of the transformer, or of a codec's latents.
        layers: of the transformer.
        heads: of its attention.
        codebooks: streams of codes.
        cardinality: codes per codebook.
        sample_rate: in Hz.
        channels: 1 or 2.
        frame_rate: codes per second and codebook, in Hz; of a codec.
        segment_duration: seconds of audio that it was trained on at once.
        conditioners: of a language model.
    """

    title: str
    solver: str | None
    dim: int | float | None = None
    layers: int | float | None = None
    heads: int | float | None = None
    codebooks: int | float | None = None
    cardinality: int | float | None = None
    sample_rate: int | float | None = None
    channels: int | float | None = None
    frame_rate: int | float | None = None
    segment_duration: int | float | None = None
    conditioners: tuple[Conditioner, ...] = ()

    @classmethod
    def of(cls, config: DictConfig) -> Architecture:
        """Read an xp.cfg (unresolved is fine); whatever is not there stays unknown."""
        settings = Settings.of(config, (*LM_NODES, "seanet.dimension"))
        solver = _text(settings.get("solver"))
        if solver == "compression":
            return cls._codec(config, settings)
        return cls(
            title=TITLES.get(solver or "", f"A model of the solver {solver}"),
            solver=solver,
            dim=_number(settings, "transformer_lm.dim"),
            layers=_number(settings, "transformer_lm.num_layers"),
            heads=_number(settings, "transformer_lm.num_heads"),
            codebooks=_number(settings, "transformer_lm.n_q"),
            cardinality=_number(settings, "transformer_lm.card"),
            sample_rate=_number(settings, "sample_rate"),
            channels=_number(settings, "channels"),
            segment_duration=_number(settings, "dataset.segment_duration"),
            conditioners=_conditioners(settings),
        )

    @classmethod
    def _codec(cls, config: DictConfig, settings: Settings) -> Architecture:
        try:
            figures: Codec | None = codec_of(config)
        except FormatError:  # which the check of what the builders need says
            figures = None
        return cls(
            title=TITLES["compression"],
            solver="compression",
            dim=_number(settings, "seanet.dimension"),
            codebooks=figures.n_q if figures else None,
            cardinality=figures.cardinality if figures else None,
            sample_rate=figures.sample_rate if figures else _number(settings, "sample_rate"),
            channels=figures.channels if figures else _number(settings, "channels"),
            frame_rate=figures.frame_rate if figures else None,
            segment_duration=_number(settings, "dataset.segment_duration"),
        )


def _conditioners(settings: Settings) -> tuple[Conditioner, ...]:
    try:
        found = settings.conditioners
        fused = {method: settings.names(f"fuser.{method}") for method in _FUSED}
    except Unusable:
        return ()
    return tuple(
        Conditioner(
            name,
            model,
            _text(settings.get(f"conditioners.{name}.{model}.name")),
            tuple(method for method, names in fused.items() if name in names),
        )
        for name, model in found.items()
    )


def _number(settings: Settings, path: str) -> int | float | None:
    value = settings.get(path)
    sensible = type(value) in (int, float) and abs(value) < _LARGEST
    return value if sensible else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None

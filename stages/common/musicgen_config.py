"""transformers' configs of a MusicGen, from AudioCraft's xp.cfg.

Source: ``MusicgenConfig``, ``MusicgenMelodyConfig`` and ``GenerationConfig`` of transformers 5; the
figures that AudioCraft does not have in xp.cfg are those of ``facebook/musicgen-small``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.common.expressible import Conditions
from stages.common.settings import Settings, Unusable

Json = dict[str, Any]

_CHROMA_OVERLAP = 4
"""Windows of the chromagram that one moment lies in."""


def decoder_config(settings: Settings) -> Json:
    """Give the decoder's config; its ``model_type`` says which of two classes it is.

    Conditions that are prepended, and none at all, are ``musicgen_melody_decoder``
    (``MusicgenMelodyForCausalLM``), which has no cross-attention; ``musicgen_decoder``
    (``MusicgenForCausalLM``) always has.

    Args:
        settings: with the nodes `stages.common.settings.LM_NODES`.

    Raises:
        Unusable: when a figure is missing or none.
    """
    node = "transformer_lm"
    dim, card = settings.count(f"{node}.dim"), settings.count(f"{node}.card")
    crossed = bool(settings.names("fuser.cross"))
    return {
        "model_type": "musicgen_decoder" if crossed else "musicgen_melody_decoder",
        "architectures": ["MusicgenForCausalLM" if crossed else "MusicgenMelodyForCausalLM"],
        "vocab_size": card,
        "hidden_size": dim,
        "num_hidden_layers": settings.count(f"{node}.num_layers"),
        "num_attention_heads": settings.count(f"{node}.num_heads"),
        "ffn_dim": int(settings.number(f"{node}.hidden_scale", 4, most=1024) * dim),
        "num_codebooks": settings.count(f"{node}.n_q"),
        "audio_channels": 2 if settings.interleaved else 1,
        "activation_function": "gelu",
        "dropout": _probability(settings, f"{node}.dropout"),
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "layerdrop": 0.0,
        "initializer_factor": 0.02,
        "max_position_embeddings": 2048,
        "scale_embedding": False,
        "tie_word_embeddings": False,
        "use_cache": True,
        # The token that AudioCraft fills gaps of the pattern with, also the one it begins with.
        "pad_token_id": card,
        "bos_token_id": card,
    }


def model_config(settings: Settings, codec: Json, text_encoder: Json, dtype: str) -> Json:
    """Give ``config.json`` of the whole model.

    Args:
        settings: of the language model.
        codec: the config of its EnCodec.
        text_encoder: the config of its T5.
        dtype: torch's name of the language model's dtype.

    Raises:
        Unusable: when transformers has no class for it, or a figure is missing.
    """
    conditions = Conditions.of(settings)
    title = "MusicgenMelody" if conditions.chroma else "Musicgen"
    config: Json = {
        "model_type": "musicgen_melody" if conditions.chroma else "musicgen",
        "architectures": [f"{title}ForConditionalGeneration"],
        "is_encoder_decoder": True,
        "dtype": dtype,
        "decoder": decoder_config(settings) | {"dtype": dtype},
        "audio_encoder": codec,
        "text_encoder": text_encoder,
    }
    if conditions.chroma:
        chroma = Chroma.of(settings, conditions.chroma)
        config |= {"num_chroma": chroma.bins, "chroma_length": chroma.frames}
    return config


def generation_config(settings: Settings, frame_rate: float) -> Json:
    """Give ``generation_config.json``: how AudioCraft generates when it is told nothing else.

    Args:
        settings: of the language model.
        frame_rate: codes per second and codebook, in Hz.
    """
    card, n_q = settings.count("transformer_lm.card"), settings.count("transformer_lm.n_q")
    guidance = settings.get("classifier_free_guidance.inference_coef", 3.0)
    return {
        "bos_token_id": card,
        "decoder_start_token_id": card,
        "pad_token_id": card,
        "do_sample": True,
        "top_k": 250,
        "temperature": 1.0,
        "guidance_scale": float(guidance),
        # The longest that it was trained on, but never shorter than its pattern of delays.
        "max_length": max(int(duration(settings) * frame_rate), 2 * n_q),
    }


def processor_config(settings: Settings, codec: Json) -> Json:
    """Give ``preprocessor_config.json``: how audio comes in, and how a processor is called.

    Args:
        settings: of the language model.
        codec: the config of its EnCodec.
    """
    conditions = Conditions.of(settings)
    shared: Json = {"padding_value": 0.0, "padding_side": "right"}
    if conditions.chroma:
        chroma = Chroma.of(settings, conditions.chroma)
        return shared | {
            "feature_extractor_type": "MusicgenMelodyFeatureExtractor",
            "processor_class": "MusicgenMelodyProcessor",
            "feature_size": chroma.bins,
            "num_chroma": chroma.bins,
            "sampling_rate": chroma.sample_rate,
            "n_fft": chroma.window,
            "hop_length": chroma.hop,
            "chunk_length": int(duration(settings)),
            "n_samples": int(duration(settings)) * chroma.sample_rate,
            "return_attention_mask": False,
            "padding_side": "left",
            "stem_indices": [3, 2],
        }
    # A stereo model of two interleaved mono codecs takes both channels.
    return shared | {
        "feature_extractor_type": "EncodecFeatureExtractor",
        "processor_class": "MusicgenProcessor",
        "feature_size": 2 if settings.interleaved else codec["audio_channels"],
        "sampling_rate": codec["sampling_rate"],
        "chunk_length_s": None,
        "overlap": None,
        "return_attention_mask": True,
        "padding_side": "left",
    }


def duration(settings: Settings) -> float:
    """Give the seconds of audio that a model was trained on at once.

    Raises:
        Unusable: when they are missing or none.
    """
    seconds = settings.need("dataset.segment_duration")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 1e5:
        raise Unusable(f"dataset.segment_duration is {seconds!r}, not seconds")
    return float(seconds)


class Chroma:
    """The figures of a melody conditioner's chromagram."""

    def __init__(self, node: Mapping[str, int], seconds: float) -> None:
        """Take what xp.cfg says of it, and the seconds that it is computed on."""
        self.bins, self.sample_rate = node["n_chroma"], node["sample_rate"]
        self.window = 1 << node["radix2_exp"]
        self.hop = self.window // _CHROMA_OVERLAP
        self.frames = 1 + int(seconds * self.sample_rate) // self.hop

    @classmethod
    def of(cls, settings: Settings, name: str) -> Chroma:
        """Read those of the conditioner ``name``.

        Raises:
            Unusable: when one is missing or none.
        """
        node = f"conditioners.{name}.chroma_stem"
        figures = ("n_chroma", "sample_rate", "radix2_exp")
        found = {figure: settings.count(f"{node}.{figure}") for figure in figures}
        if found["radix2_exp"] > 30:
            raise Unusable(f"{node}.radix2_exp is {found['radix2_exp']}, too large for a window")
        return cls(found, duration(settings))


def _probability(settings: Settings, path: str) -> float:
    value = settings.get(path, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0

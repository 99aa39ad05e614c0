"""Compression models: what AudioCraft's pretrained ones are, and what a config says of an own one.

The table is as AudioCraft 1.3.0 reports these models (``audiocraft.models.encodec`` and
``builders.get_debug_compression_model``), each with all its codebooks switched on.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.errors import FormatError
from stages.common.xp_yaml import without_calls

REFERENCE_PREFIX = "//pretrained/"
"""How AudioCraft marks a pretrained codec in ``compression_model_checkpoint``."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FILE_ENDINGS = (".th", ".pt", ".bin", ".ckpt", ".safetensors")


@dataclass(frozen=True)
class Codec:
    """What a language model must agree with.

    Attributes:
        name: how AudioCraft calls it: a pretrained name, or the architecture of an own one.
        n_q: how many codebooks it has.
        cardinality: entries per codebook.
        sample_rate: of its audio, in Hz.
        channels: 1 or 2.
        frame_rate: codes per second and codebook, in Hz.
    """

    name: str
    n_q: int
    cardinality: int
    sample_rate: int
    channels: int
    frame_rate: float

    @property
    def facts(self) -> dict[str, Any]:
        """Everything but the name, for records."""
        return {
            "n_q": self.n_q,
            "cardinality": self.cardinality,
            "sample_rate": self.sample_rate,
            "channels": self.channels,
            "frame_rate": self.frame_rate,
        }


KNOWN: Mapping[str, Codec] = {
    codec.name: codec
    for codec in (
        Codec("facebook/encodec_32khz", 4, 2048, 32000, 1, 50.0),
        Codec("facebook/encodec_24khz", 32, 1024, 24000, 1, 75.0),
        Codec("dac_24khz", 32, 1024, 24000, 1, 75.0),
        Codec("dac_44khz", 9, 1024, 44100, 1, 44100 / 512),
        # Drawn at random at each load: AudioCraft's own tests use it.
        Codec("debug_compression_model", 4, 400, 32000, 1, 25.0),
    )
}
"""The pretrained codecs that AudioCraft names, without the ``//pretrained/`` prefix."""


def is_reference(name: str) -> bool:
    """Tell whether AudioCraft can take ``name`` for a pretrained codec: known, or ``org/name``.

    What ends like a weights file is a path, although ``models/codec.bin`` has the form of an id.
    """
    looks_like_id = bool(_HUB_ID.fullmatch(name)) and not name.lower().endswith(_FILE_ENDINGS)
    return name in KNOWN or looks_like_id


def near_names(name: str) -> list[str]:
    """Give the known names that a misspelt one may mean, best first."""
    plain = {known.rpartition("/")[2]: known for known in KNOWN}
    near = get_close_matches(name, KNOWN, n=2, cutoff=0.75)
    near += [plain[last] for last in get_close_matches(name, plain, n=2, cutoff=0.75)]
    return list(dict.fromkeys(near))


def codec_of(config: DictConfig) -> Codec:
    """Read an own EnCodec's figures from its xp.cfg (unresolved is fine).

    Raises:
        FormatError: when the config is not one of an EnCodec with residual vector quantization.
    """
    config = without_calls(config)

    def value(key: str) -> Any:
        try:
            found = OmegaConf.select(config, key, throw_on_missing=True)
        except OmegaConfBaseException:
            found = None
        if found is None:
            raise FormatError(f"The codec's xp.cfg has no {key}.", hint=_KIND_HINT)
        return found

    for key, expected in (("compression_model", "encodec"), ("encodec.quantizer", "rvq")):
        if value(key) != expected:
            raise FormatError(
                f"The codec's xp.cfg says {key}: {value(key)}, not {expected}.", hint=_KIND_HINT
            )
    try:
        sample_rate = int(value("encodec.sample_rate"))
        # AudioCraft divides whole numbers here, so that 44100 Hz at hop 512 counts as 86 Hz.
        frame_rate = float(sample_rate // math.prod(int(r) for r in value("seanet.ratios")))
        return Codec(
            name="encodec",
            n_q=int(value("rvq.n_q")),
            cardinality=int(value("rvq.bins")),
            sample_rate=sample_rate,
            channels=int(value("encodec.channels")),
            frame_rate=frame_rate,
        )
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise FormatError(f"The codec's xp.cfg is not usable: {error}.", hint=_KIND_HINT) from error


_KIND_HINT = "Only EnCodec models with a residual vector quantizer (rvq) are exported as codecs."

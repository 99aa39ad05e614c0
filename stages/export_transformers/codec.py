"""The EnCodec inside a model of transformers: an own one, or one that is in its format already."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ConfigError, FormatError, SourceError
from pipeline.layout import COMPRESSION
from pipeline.paths import expanded
from stages.common import hub, sources
from stages.common.checkpoint import Checkpoint
from stages.common.encodec_config import codebooks_of, codec_config
from stages.common.encodec_names import codec_parts, padded_size
from stages.common.expressible import codec_obstacles
from stages.common.request_line import override
from stages.common.settings import CODEC_NODES, Settings
from stages.common.states import State
from stages.common.stored import Tensor
from stages.export_transformers import pretrained
from stages.export_transformers.inexpressible import InexpressibleError, able
from stages.export_transformers.pieces import Piece, pieces_of
from stages.export_transformers.pretrained import Pretrained

_PREFIX = "audio_encoder."
_DRAWN = "debug_compression_model"


@dataclass(frozen=True)
class Codec:
    """An open codec.

    Attributes:
        config: transformers' config of it.
        pieces: its tensors by transformers' names inside the whole model.
    """

    config: Mapping[str, Any]
    pieces: Mapping[str, Piece]

    @property
    def frame_rate(self) -> int:
        """Codes per second and codebook, in Hz, rounded down as AudioCraft does."""
        return int(self.config["sampling_rate"] // math.prod(self.config["upsampling_ratios"]))

    def demand_fit(self, codebooks: int, cardinality: int) -> None:
        """Make sure that it understands a language model of so many codebooks and codes.

        Raises:
            FormatError: when it does not.
        """
        own, size = codebooks_of(self.config), self.config["codebook_size"]
        if size != padded_size(cardinality) or own < codebooks:
            raise FormatError(
                f"The codec has {own} codebooks of {size} entries, the language model speaks "
                f"{codebooks} of {cardinality}.",
                hint="Give the codec that it was trained on: export.codec=PATH",
            )


Place = Path | Pretrained
"""AudioCraft's file of a codec, or one in transformers' format."""


def place_of(asked: str | None, referenced: str | None, exported: Path | None) -> Place | None:
    """Find the codec; ``None`` when it must be downloaded, or is not made yet.

    Args:
        asked: what ``export.codec`` says.
        referenced: the name of a pretrained codec, where the release has only that.
        exported: AudioCraft's file of an own codec, where it is here.

    Raises:
        SourceError: when it is nowhere, and nobody said where to take it from.
        ConfigError: when what was said is neither a path nor a Hub id.
    """
    if asked is not None:
        return _asked(asked)
    if referenced is None:
        return exported
    if (found := pretrained.find(referenced)) is not None:
        return found
    if not hub.is_repo_id(referenced):
        why = "is drawn at random at each load" if referenced == _DRAWN else "is no EnCodec"
        raise InexpressibleError([f"the codec {referenced} {why}"])
    raise SourceError(
        f"The codec {referenced} is not on this machine: transformers' format contains it.",
        "neither in AUDIOCRAFT_CACHE_DIR nor in the Hub's cache (HF_HUB_CACHE, HF_HOME)",
        f"Say where it is: {override('export.codec', referenced)} downloads it, "
        "export.codec=/path/to/folder takes it from there",
    )


def fetched(asked: str) -> Place:
    """Download the codec that ``export.codec`` names.

    Raises:
        SourceError: when it is not to be had.
    """
    return pretrained.fetch(asked, ())


@contextmanager
def opened(place: Place) -> Iterator[Codec]:
    """Open a codec.

    Raises:
        InexpressibleError: with all that transformers cannot express of it.
        SourceError: when there is none.
        FormatError: when it is damaged.
    """
    if isinstance(place, Pretrained):
        config = place.config
        if config.get("model_type") != "encodec":
            raise SourceError(
                f"The codec is a {config.get('model_type')}, not an EnCodec.", str(place.folder)
            )
        with place.tensors() as tensors:
            yield Codec(config, {_renamed(name): Piece(tensor) for name, tensor in tensors.items()})
        return
    with Checkpoint.open(place) as checkpoint:
        if checkpoint.pretrained is not None or checkpoint.family != "compression":
            raise SourceError("The file holds no codec's weights.", str(place))
        yield of_state(checkpoint, checkpoint.state("best"))


def of_state(checkpoint: Checkpoint, state: State) -> Codec:
    """Give the codec of an open checkpoint.

    Raises:
        InexpressibleError: with all that transformers cannot express of it.
    """
    settings = Settings.of(checkpoint.config, CODEC_NODES)
    with able("the codec"):
        if obstacles := codec_obstacles(settings):
            raise InexpressibleError(obstacles)
        tensors: Mapping[str, Tensor] = dict(state.tensors)
        parts = codec_parts({name: tensor.shape for name, tensor in tensors.items()})
        return Codec(codec_config(settings), pieces_of(tensors, parts, _PREFIX))


def _asked(asked: str) -> Place | None:
    path = expanded(asked)
    if path.is_file():
        return path
    if path.is_dir() and (path / COMPRESSION).is_file():
        return path / COMPRESSION
    if (found := pretrained.find(asked)) is not None:
        return found
    if hub.is_repo_id(asked):
        return None
    raise ConfigError(
        f"export.codec={asked} is neither a file, nor a folder, nor a Hub id.",
        str(path.absolute()),
        sources.near_files(path) or "Like export.codec=facebook/encodec_32khz",
    )


def _renamed(name: str) -> str:
    """Give a name as today's torch has it: older ones wrote weight norms in another way."""
    for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
        if name.endswith(f".{old}"):
            return f"{_PREFIX}{name.removesuffix(old)}parametrizations.weight.{new}"
    return _PREFIX + name

"""The T5 that a language model was trained with, which AudioCraft keeps out of its checkpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.errors import ConfigError, FormatError, SourceError
from pipeline.manifest import pretty
from stages.common import hub
from stages.common.request_line import override
from stages.common.stored import Tensor
from stages.export_transformers import pretrained
from stages.export_transformers.pieces import Piece
from stages.export_transformers.pretrained import Pretrained

TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "spiece.model",
    "special_tokens_map.json",
    "added_tokens.json",
)
"""The files of a T5 tokenizer; any that has the first or the third is whole."""

_ENTRY = "tokenizer_config.json"
_PREFIX = "text_encoder."
_OLD = ("t5-small", "t5-base", "t5-large", "t5-3b", "t5-11b")
"""Names that AudioCraft has from before the Hub had organisations."""


def find(name: str, asked: str | None) -> Pretrained | None:
    """Find a T5 on this machine: the one asked for, else the one that was trained with."""
    if asked is not None:
        return pretrained.find(asked)
    return pretrained.find(name) or pretrained.find(_repo_id(name))


def demand(name: str, asked: str | None) -> Pretrained | None:
    """Find a T5, or make sure that it can be downloaded; ``None`` when it must be.

    Raises:
        SourceError: when it is not here, and nobody said where to take it from.
        ConfigError: when what was said is neither a folder nor a Hub id.
    """
    found = find(name, asked)
    if found is not None:
        return found
    if asked is None:
        raise SourceError(
            f"The text encoder {name} is not on this machine: transformers' format contains it.",
            "neither in AUDIOCRAFT_CACHE_DIR nor in the Hub's cache (HF_HUB_CACHE, HF_HOME)",
            f"Say where it is: {override('export.text_encoder', _repo_id(name))} downloads it, "
            "export.text_encoder=/path/to/folder takes it from there",
        )
    if not hub.is_repo_id(asked):
        raise ConfigError(
            f"export.text_encoder={asked} is neither a folder nor a Hub id.",
            hint=f"Like {override('export.text_encoder', _repo_id(name))}",
        )
    return None


def fetched(name: str, asked: str | None) -> Pretrained:
    """Give a T5, having downloaded it where that was asked for.

    Raises:
        SourceError: when it is not to be had.
    """
    found = demand(name, asked)
    return found or pretrained.fetch(str(asked), TOKENIZER)


def config_of(encoder: Pretrained, width: int) -> dict[str, Any]:
    """Give the config of the encoder alone, having made sure that it is of the right width.

    Raises:
        SourceError: when it is no T5, or another one than the model was trained with.
    """
    config = encoder.config
    if config.get("model_type") not in ("t5", "umt5"):
        raise SourceError(
            f"The text encoder is a {config.get('model_type')}, not a T5.", str(encoder.folder)
        )
    if config.get("d_model") != width:
        raise SourceError(
            f"The text encoder gives {config.get('d_model')} floats for a word; the model was "
            f"trained with one that gives {width}.",
            str(encoder.folder),
            "Name the one it was trained with: export.text_encoder=/path/to/folder",
        )
    alone = {"architectures": ["T5EncoderModel"], "is_encoder_decoder": False, "use_cache": False}
    return config | alone


def pieces_of(tensors: Mapping[str, Tensor], layers: int) -> dict[str, Piece]:
    """Give the encoder's tensors; a T5's decoder is left out.

    Raises:
        FormatError: when the encoder is not whole.
    """
    found = {}
    for name, tensor in tensors.items():
        if name.startswith("encoder.") and name != "encoder.embed_tokens.weight":
            found[_PREFIX + name] = Piece(tensor)
    embedding = tensors.get("shared.weight") or tensors.get("encoder.embed_tokens.weight")
    blocks = {name.split(".")[3] for name in found if name.startswith(f"{_PREFIX}encoder.block.")}
    if embedding is None or blocks != {str(index) for index in range(layers)}:
        raise FormatError("The text encoder's weights are not whole.")
    # One tensor under two names in the model; transformers saves it once.
    return {f"{_PREFIX}shared.weight": Piece(embedding), **found}


def demand_whole(encoder: Pretrained) -> None:
    """Make sure that a T5 has weights and a tokenizer.

    Raises:
        SourceError: when it lacks one of them.
    """
    _ = encoder.weights
    if not any((encoder.folder / name).is_file() for name in ("tokenizer.json", "spiece.model")):
        raise SourceError(
            "The text encoder has no tokenizer: neither tokenizer.json nor spiece.model.",
            str(encoder.folder),
            "Save one there (AutoTokenizer.save_pretrained), or name another folder.",
        )


def put_tokenizer(encoder: Pretrained, folder: Path) -> None:
    """Copy the tokenizer, without what is only true where it was saved.

    Raises:
        SourceError: when there is none.
    """
    demand_whole(encoder)
    settings: dict[str, Any] = {}
    for path in _tokenizer_files(encoder):
        if path.name == _ENTRY:
            settings = json.loads(path.read_text("utf-8"))
        else:
            (folder / path.name).write_bytes(path.read_bytes())
    settings = {key: value for key, value in settings.items() if key not in _SAVED_AT}
    settings.setdefault("tokenizer_class", "T5Tokenizer")
    files.write_text(folder / _ENTRY, pretty(settings))


_SAVED_AT = ("name_or_path", "special_tokens_map_file", "tokenizer_file", "processor_class")


def _tokenizer_files(encoder: Pretrained) -> Iterator[Path]:
    for name in TOKENIZER:
        if (path := encoder.folder / name).is_file():
            yield path


def _repo_id(name: str) -> str:
    return f"google-t5/{name}" if name in _OLD else name

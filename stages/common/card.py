"""The model card: Hub metadata and text, made from facts, the history and the card's config.

The same facts give the same bytes on every machine. The metadata follows the Hub's model card
specification (hub-docs, ``modelcard.md``); the tag decides which code the Hub shows under "Use
this model" (huggingface.js, ``model-libraries.ts``: musicgen, audiogen, magnet).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.layout import ALL_IN_ONE
from pipeline.schema import CardConfig
from pipeline.stage import Facts
from stages.common import card_sections, front_matter
from stages.common.heard import Heard
from stages.common.licenses import default_license
from stages.common.metrics import EpochMetrics

TEMPLATE = Path(__file__).parent.parent / "card.md.jinja"
PRETRAINED = "//pretrained/"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]*\w", re.ASCII)


@dataclass(frozen=True)
class Family:
    """A kind of model: its tag on the Hub, and AudioCraft's class that loads it."""

    tag: str
    loader: str | None
    task: str = "text-to-audio"
    generates: bool = True


FAMILIES: Mapping[str, Family] = {
    "musicgen": Family("musicgen", "MusicGen"),
    "audiogen": Family("audiogen", "AudioGen"),
    "magnet": Family("magnet", "MAGNeT"),
    "audio_magnet": Family("magnet", "MAGNeT"),
    "jasco": Family("jasco", "JASCO", generates=False),
    "compression": Family("encodec", "CompressionModel", "audio-to-audio", generates=False),
}
"""By the ``solver`` of xp.cfg."""

_UNPACK = f"python -m pipeline.unpack {ALL_IN_ONE} FOLDER, then with FOLDER"
_MINIATURE = "Not a real model: this is the embedded miniature, to show and to test a release."
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_OTHER = Family("audiocraft", None, generates=False)


@dataclass(frozen=True)
class Subject:
    """What a card is about.

    Attributes:
        name: the release's name.
        version: its version.
        repo_id: the Hub id under which it is published.
        source: the facts of collect.
        language_model: the facts of export_lm; empty for a codec.
        codec: the facts of export_compression.
        metrics: of the epoch that the weights come from, where the history has it.
        layout: ``two_file`` or ``all_in_one``.
        transformers: the class of transformers that loads it, where one does.
        contained: the codec whose weights are in it, by the same names as ``codec``, where that is
            another.
        samples: the sounds in the release.
    """

    name: str
    version: str
    repo_id: str
    source: Facts
    language_model: Facts
    codec: Facts
    metrics: EpochMetrics | None = None
    layout: str = "two_file"
    transformers: str | None = None
    contained: Facts | None = None
    samples: tuple[Heard, ...] = ()

    @property
    def is_codec(self) -> bool:
        """Whether this is a compression model on its own."""
        return self.source.get("family") == "compression"

    @property
    def family(self) -> Family:
        """What kind of model it is."""
        return FAMILIES.get(
            "compression" if self.is_codec else self.source.get("solver", ""), _OTHER
        )

    @property
    def miniature(self) -> bool:
        """Whether it is the embedded example and no real model."""
        return bool(self.source.get("miniature"))


def base_model(config: CardConfig, source: Facts) -> str | None:
    """Give the Hub id of the model that this one was fine-tuned from."""
    name = (config.base_model or source.get("base_model") or "").removeprefix(PRETRAINED)
    return name if HUB_ID.fullmatch(name) else None


def parents(config: CardConfig, source: Facts, codec: Facts) -> tuple[str, ...]:
    """Give the Hub ids of the published models whose weights, or descendants, are in a release."""
    bundled = codec.get("pretrained") if codec.get("form") == "weights" else None
    names = (base_model(config, source), source.get("repo_id"), bundled)
    return tuple(dict.fromkeys(name for name in names if name))


def tags(subject: Subject) -> tuple[str, ...]:
    """Give the tags that every card of this release has, also a person's own."""
    return (subject.family.tag, *(("miniature",) if subject.miniature else ()))


def usage(subject: Subject) -> tuple[str, ...]:
    """Give the lines that tell at the end of a run what was made, and how it loads."""
    loader = subject.family.loader
    if subject.layout == "all_in_one":
        reference = subject.codec.get("form") == "reference"
        way = f'{loader}.get_pretrained("{ALL_IN_ONE}")' if reference and loader else _UNPACK
    elif subject.is_codec or loader is None:
        function = "load_compression_model" if subject.is_codec else "load_lm_model"
        way = f'audiocraft.models.loaders.{function}("{subject.repo_id}"), or with this folder'
    else:
        way = f'{loader}.get_pretrained("{subject.repo_id}"), or with this folder'
    lines = [f"AudioCraft loads it: {way}"]
    if subject.transformers:
        own = f'{subject.transformers}.from_pretrained("{subject.repo_id}")'
        lines.append(f"transformers loads it: {own}, or with this folder")
    return (*((_MINIATURE,) if subject.miniature else ()), *lines)


def metadata(subject: Subject, config: CardConfig) -> dict[str, Any]:
    """Give the card's front matter, in the order in which it is written."""
    origin = parents(config, subject.source, subject.contained or subject.codec)
    base = base_model(config, subject.source)
    found = {
        "license": config.license or default_license(origin),
        "library_name": "audiocraft",
        "pipeline_tag": subject.family.task,
        "base_model": base or subject.source.get("repo_id"),
        "base_model_relation": "finetune" if base else None,
        "tags": list(dict.fromkeys([*tags(subject), *config.tags])),
        "language": list(config.language),
        "datasets": list(config.datasets),
        "model-index": _model_index(subject, config),
        # The Hub shows them with players, and finds the files whatever the repository's name.
        "widget": [
            {"text": sound.prompt, "output": {"url": sound.file}}
            for sound in subject.samples
            if sound.prompt
        ],
    }
    return {key: value for key, value in found.items() if value}


_OF_THE_SOURCE = ("signature", "repo_id", "revision", "url", "state", "epoch", "epochs")
_OF_THE_WEIGHTS = ("parameters", "state_digest")
_OF_THE_HEAD = ("license", "base_model", "base_model_relation")
_OF_THE_CODEC = ("form", "pretrained", "signature", "epoch", "codec")


def render(subject: Subject, config: CardConfig) -> str:
    """Give the whole card as Markdown with its front matter."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown
    )
    head = metadata(subject, config)
    text = environment.get_template(TEMPLATE.name).render(
        head=_filled(head, _OF_THE_HEAD),
        subject=subject,
        source=_filled(subject.source, _OF_THE_SOURCE + _OF_THE_WEIGHTS),
        codec=_filled(subject.codec, _OF_THE_CODEC),
        dtype=subject.language_model.get("dtype"),
        title=config.title or subject.name,
        description=(config.description or "").strip(),
        plain=plain,
    )
    return f"---\n{front_matter.dump(head)}---\n\n{card_sections.marked(text)}"


def plain(text: str) -> str:
    """Give a text on one line, in which Markdown and HTML see nothing but letters."""
    return _PUNCTUATION.sub(r"\\\g<0>", " ".join(text.split()))


def _model_index(subject: Subject, config: CardConfig) -> list[dict[str, Any]]:
    evaluations = subject.metrics.evaluations if subject.metrics else ()
    if not evaluations:
        return []
    known = config.datasets[0] if config.datasets else None
    result = {
        "task": {"type": subject.family.task},
        "dataset": {"type": known or "custom", "name": known or "The run's own evaluation set"},
        "metrics": [{"type": m.type, "value": m.value, "name": m.name} for m in evaluations],
    }
    return [{"name": subject.name, "results": [result]}]


def _filled(facts: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Give what the template asks for; what is not there is ``None``."""
    return {name: facts.get(name) for name in names}

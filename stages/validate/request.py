"""What is asked of a validation, and what of it cannot be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any

from pipeline.errors import PipelineError
from pipeline.paths import expanded
from pipeline.schema import ExpectConfig, ValidateConfig
from pipeline.stage import Problem
from stages.validate.baseline import Baseline

KINDS = {
    "full": "as quick, and tokens, sounds and pictures",
    "quick": "every tensor and the logits against the source; keys, shapes, config, codec, claims",
    "off": "layout and checksums only",
}
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Request:
    """How much to check, and against what.

    Attributes:
        config: the group ``validate``.
        expect: what the release claims to be.
        strict: whether a warning is a failure.
        device: ``auto``, ``cpu`` or ``cuda``.
        name: of the release.
    """

    config: ValidateConfig
    expect: ExpectConfig
    strict: bool
    device: str
    name: str

    @property
    def kind(self) -> str:
        """How much is checked."""
        return self.config.kind

    @property
    def key(self) -> dict[str, Any]:
        """What shapes the report, but for the machine that the model is run on."""
        key = {"kind": self.kind, "expect": asdict(self.expect), "strict": self.strict}
        config = asdict(self.config)
        if self.kind != "off" and self.config.baseline:
            key |= {name: config[name] for name in ("baseline", "max_regression")} | {
                "name": self.name
            }
        if self.kind == "full":
            key |= {name: config[name] for name in ("text_encoder", "prompts", "seeds", "seconds")}
        return key

    def problems(self) -> Iterator[Problem]:
        """Find what does not exist, or makes no sense."""
        yield from _choice("validate", self.kind, tuple(KINDS))
        yield from _choice("device", self.device, DEVICES)
        if self.device == "cuda" and not _has_gpu():
            yield Problem("device=cuda, but torch sees no GPU here.", hint="device=auto or cpu")
        config = self.config
        if not 0 < config.seconds <= 600:
            yield Problem(f"validate.seconds={config.seconds:g}: a sound has up to 600 seconds.")
        if not config.seeds or any(seed < 0 for seed in config.seeds):
            hint = "One sound of each prompt: 'validate.seeds=[0]'"
            yield Problem(f"validate.seeds={config.seeds}: give some, each 0 or more.", hint=hint)
        if config.text_encoder and not expanded(config.text_encoder).is_dir():
            yield Problem(
                "The text encoder is not there.",
                str(expanded(config.text_encoder)),
                "Give the folder of a T5: validate.text_encoder=PATH",
            )
        if config.max_regression is not None:
            if config.baseline is None:
                hint = "Give one: validate.baseline=PATH or a Hub id"
                yield Problem("validate.max_regression needs a baseline.", hint=hint)
            if not 0 <= config.max_regression < math.inf:
                yield Problem(
                    f"validate.max_regression={config.max_regression:g}: it is a part, 0 or more.",
                    hint="For two percent: validate.max_regression=0.02",
                )
        if config.baseline and self.kind != "off":
            try:
                Baseline(config.baseline).demand()
            except PipelineError as error:
                yield Problem.of(error)


def _choice(key: str, value: str, allowed: tuple[str, ...]) -> Iterator[Problem]:
    if value not in allowed:
        near = get_close_matches(value, allowed, 1)
        hint = f"Did you mean {key}={near[0]}? " if near else ""
        yield Problem(
            f"{key}={value}: there is no such choice.",
            hint=f"{hint}Choose among {', '.join(allowed)}.",
        )


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()

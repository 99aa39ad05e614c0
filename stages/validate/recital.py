"""The checks of ``validate=full``: tokens that the model makes, and what they sound like."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipeline.amounts import many
from pipeline.layout import ValidateFolder
from pipeline.stage import Context
from stages.common import codecs
from stages.common.checks import Outcome, failed, passed, skipped, warned
from stages.common.settings import Unusable
from stages.validate.codec import Codec
from stages.validate.generation import Decoding, NotNumbers
from stages.validate.models import Model, Row
from stages.validate.request import Request
from stages.validate.samples import Samples, arpeggio
from stages.validate.text import TextEncoder
from stages.validate.trials import Trials, device_of

if TYPE_CHECKING:
    from torch import Tensor

COLLAPSED = 0.95
"""Part of the steps that one token has, in every codebook, when a model only repeats itself."""

_SILENT = 1e-4
"""The peak of a sound that nobody hears, full scale at 1."""

_LISTEN = "listen to it before it is released; another epoch or state may do better"


@dataclass(frozen=True)
class Take:
    """One sound in tokens.

    Attributes:
        stem: the name of its files.
        prompt: the text that it was made from; ``None`` for none.
        seed: that it was drawn with.
        tokens: int64 [codebooks, steps].
    """

    stem: str
    prompt: str | None
    seed: int
    tokens: Tensor


class Recital:
    """What a release is made to play; each check keeps what the ones after it need."""

    def __init__(
        self,
        request: Request,
        trials: Trials | None,
        codec: Model,
        figures: Callable[[], codecs.Codec],
        ctx: Context,
    ) -> None:
        """Take the request, the language model if there is one, and the codec with its figures."""
        self.config, self._trials, self._model = request.config, trials, codec
        self._device, self._figures, self._ctx = request.device, figures, ctx
        self._samples = Samples(ValidateFolder(ctx.folder).samples)

    def rows(self) -> Iterator[Row]:
        """Give the checks."""
        yield "codec.sound", self._codec_sound
        if self._trials is not None:
            yield "lm.text", self._text
            yield "lm.greedy", self._greedy
            yield "lm.sampled", self._sampled
            yield "lm.sounds", self._sounds

    @cached_property
    def _codec(self) -> Codec:
        return Codec.of(self._model, device_of(self._device))

    def _codec_sound(self) -> Outcome:
        """Send a test signal through the codec."""
        import torch

        codec = self._codec
        sound = torch.from_numpy(arpeggio(codec.sample_rate, codec.channels))
        codes = codec.encode(sound)
        back = codec.decode(codes)[:, : sound.shape[1]]
        if not back.isfinite().all() or int(codes.max()) >= codec.bins:
            what = f"{codec.name} gives codes or sounds that are none."
            return failed(what, "choose another state or epoch of the codec")
        self._samples.add(
            "codec", f"the test signal through {codec.name}", back.numpy(), codec.sample_rate
        )
        noise = (back - sound[:, : back.shape[1]]).square().mean()
        ratio = float(10 * (sound.square().mean() / noise.clamp_min(1e-12)).log10())
        used = [int(row.bincount().count_nonzero()) for row in codes]
        figures = {"snr_db": round(ratio, 3), "codes_used": used, "steps": codes.shape[1]}
        told = f"the test signal comes back with an SNR of {ratio:.1f} dB"
        if ratio < 0:
            return warned(
                f"{told}: the noise is louder",
                "listen to samples/codec.wav before it is released",
                figures,
            )
        return passed(told, figures)

    @cached_property
    def _lm(self) -> Any:
        trial = self._need.trial
        return trial.decoder.whole(trial.weights)

    @property
    def _need(self) -> Trials:
        if self._trials is None:
            raise Unusable("there is no language model")
        return self._trials

    @property
    def _frames(self) -> int:
        return max(1, round(self.config.seconds * self._figures().frame_rate))

    @cached_property
    def _encoder(self) -> TextEncoder:
        trials = self._need
        place, weights = self.config.text_encoder, trials.trial.weights
        found = TextEncoder.of(trials.model.settings, place, weights)
        if found is None:
            raise Unusable("the model takes no text")
        return found

    @cached_property
    def _conditions(self) -> dict[str, Tensor]:
        """What the model makes of each text."""
        return {text: self._encoder.condition(text) for text in self.config.prompts}

    def _text(self) -> Outcome:
        if not self.config.prompts:
            return skipped(
                "there are no prompts (validate.prompts): sounds are made without a text"
            )
        try:
            conditions = self._conditions
        except Unusable as reason:
            return skipped(f"{reason}: sounds are made without a text")
        return passed(f"{self._encoder.model} reads {many(len(conditions), 'prompt')}")

    def _decoding(self, label: str, total: int) -> Any:
        return self._ctx.progress.task(label, total, "steps")

    def _make(self, text: str | None, seed: int | None, advance: Callable[[int], None]) -> Tensor:
        trials = self._need
        settings, shape = trials.model.settings, trials.trial.shape
        delays = [k // 2 if settings.interleaved else k for k in range(shape.codebooks)]
        guidance = settings.get("classifier_free_guidance.inference_coef", 3.0)
        guidance = float(guidance) if isinstance(guidance, int | float) else 1.0
        decoding = Decoding(delays, shape.cardinality, guidance, advance)
        condition = None if text is None else self._conditions[text]
        return decoding.tokens(self._lm, condition, self._frames, seed)

    def _greedy(self) -> Outcome:
        """Take the likeliest tokens."""
        text = self._texts[0]
        with self._decoding("greedy decoding", self._frames) as task:
            try:
                tokens = self._make(text, None, task.advance)
            except NotNumbers as reason:
                return failed(str(reason), _LISTEN)
        return self._judged([tokens], greedy=True)

    @cached_property
    def _texts(self) -> list[str | None]:
        try:
            return [*self._conditions] or [None]
        except Unusable:
            return [None]

    @cached_property
    def _takes(self) -> list[Take]:
        jobs = [
            (n, text, seed) for n, text in enumerate(self._texts, 1) for seed in self.config.seeds
        ]
        takes = []
        with self._decoding("sampled decoding", len(jobs) * self._frames) as task:
            for number, text, seed in jobs:
                task.say(text or "without a text")
                stem = f"unconditional-seed{seed}" if text is None else f"text{number}-seed{seed}"
                takes.append(Take(stem, text, seed, self._make(text, seed, task.advance)))
        return takes

    def _sampled(self) -> Outcome:
        """Draw tokens, for every prompt and seed."""
        try:
            return self._judged([take.tokens for take in self._takes], greedy=False)
        except NotNumbers as reason:
            return failed(str(reason), _LISTEN)

    def _judged(self, made: list[Tensor], greedy: bool) -> Outcome:
        import torch

        card = self._need.trial.shape.cardinality
        if any(int(tokens.min()) < 0 or int(tokens.max()) >= card for tokens in made):
            return failed(f"There are tokens that are none of the {card}.", _LISTEN)
        shares = [_shares(tokens) for tokens in made]
        used = int(torch.cat([tokens.flatten() for tokens in made]).bincount().count_nonzero())
        figures = {"steps": self._frames, "used": used, "most_frequent": shares}
        told = f"{many(len(made), 'sequence')} of {self._frames} steps, {used} of {card} tokens"
        collapsed = sum(min(share) > COLLAPSED for share in shares)
        if not collapsed:
            return passed(told, figures)
        if greedy:  # which even good models do
            return passed(f"{told}; greedily it repeats itself", figures)
        what = (
            f"{collapsed} of {many(len(made), 'sequence')} repeat one token over and over: {told}"
        )
        return warned(what, _LISTEN, figures)

    def _sounds(self) -> Outcome:
        """Decode the tokens into sounds."""
        codec, trials = self._codec, self._need
        if trials.trial.shape.cardinality > codec.bins:
            raise Unusable(f"{codec.name} has fewer codes than the language model")
        stereo = trials.model.settings.interleaved
        try:
            takes = self._takes
        except NotNumbers as reason:
            raise Unusable("there are no tokens to be heard") from reason
        peaks = []
        for take in takes:
            sound = codec.sound(take.tokens, stereo)
            if not sound.isfinite().all():
                return failed(f"{take.stem} has NaN or Inf.", _LISTEN)
            title = take.prompt or "without a text"
            self._samples.add(
                take.stem, title, sound.numpy(), codec.sample_rate, take.prompt, take.seed
            )
            peaks.append(float(sound.abs().max()))
        figures = {"peaks": [round(peak, 4) for peak in peaks]}
        told = f"{many(len(peaks), 'sound')} in samples/, through {codec.name}"
        if min(peaks) < _SILENT:
            return warned(f"{told}; one is silent", _LISTEN, figures)
        return passed(told, figures)


def _shares(tokens: Tensor) -> list[float]:
    """Give for each codebook the part of the steps that its most frequent token has."""
    return [round(int(row.bincount().max()) / len(row), 4) for row in tokens]

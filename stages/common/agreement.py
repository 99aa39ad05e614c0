"""Do the language model and its codec speak the same codes?

AudioCraft asserts most of this when training starts, and nothing of it when a release is loaded: a
codec of another cardinality gives noise, or an index error deep in a lookup.
"""

from __future__ import annotations

import math

from pipeline.amounts import many
from stages.common.checks import Outcome, failed, passed, skipped, warned
from stages.common.codecs import KNOWN, REFERENCE_PREFIX, Codec
from stages.common.experiments import PREFIX as SIGNATURE
from stages.common.settings import Settings, Unusable

REMEDY = "choose the codec that it was trained on: compression=auto, or compression.pretrained=NAME"


def codebooks(settings: Settings, codec: Codec) -> Outcome:
    """Compare the streams of the LM with the codebooks in use, doubled by stereo interleaving."""
    streams = settings.count("transformer_lm.n_q")
    limited = settings.get("compression_model_n_q")
    active = codec.n_q if limited is None else settings.count("compression_model_n_q")
    if active > codec.n_q:
        return failed(
            f"compression_model_n_q is {active}, but {codec.name} has {codec.n_q} codebooks.",
            REMEDY,
        )
    doubled = settings.interleaved and not _per_timestep(settings)
    total = active * (2 if doubled else 1)
    told = f"{active} codebooks" + (", two channels each" if doubled else "")
    if streams != total:
        return failed(f"The LM models {streams} streams, {codec.name} gives {told}.", REMEDY)
    return passed(f"{streams} streams; {codec.name} gives {told}")


def cardinality(settings: Settings, codec: Codec) -> Outcome:
    """Compare the sizes of the vocabularies."""
    card = settings.count("transformer_lm.card")
    if card != codec.cardinality:
        return failed(
            f"The LM knows {card} codes, {codec.name} has {codec.cardinality} in a codebook.",
            REMEDY,
        )
    return passed(f"{card} codes")


def sample_rate(settings: Settings, codec: Codec) -> Outcome:
    """Compare the sample rates, in Hz."""
    rate = settings.count("sample_rate")
    if rate != codec.sample_rate:
        return failed(f"The LM is for {rate} Hz, {codec.name} for {codec.sample_rate} Hz.", REMEDY)
    return passed(f"{rate} Hz")


def channels(settings: Settings, codec: Codec) -> Outcome:
    """Compare the audio channels; interleaving makes stereo of a codec that must be mono."""
    if settings.interleaved and codec.channels != 1:
        return failed(
            f"interleave_stereo_codebooks wants a mono codec, {codec.name} has {codec.channels} "
            "channels.",
            REMEDY,
        )
    if not settings.has("channels"):
        return skipped("xp.cfg does not say the LM's channels")
    wanted, given = settings.count("channels"), 2 if settings.interleaved else codec.channels
    if wanted != given:
        return failed(f"The LM is for {wanted} channels, {codec.name} gives {given}.", REMEDY)
    return passed(many(wanted, "channel"))


def frame_rate(settings: Settings, codec: Codec, trained: float | None) -> Outcome:
    """Compare the frame rates, in Hz.

    MAGNeT's config says the LM's; else it is that of the codec in training, where that is known.
    """
    doubled = settings.interleaved and _per_timestep(settings)
    given = codec.frame_rate * (2 if doubled else 1)
    wanted = settings.get("transformer_lm.compression_model_framerate")
    if wanted is None and trained is not None:
        wanted = trained * (2 if doubled else 1)
    if wanted is None:
        return skipped("xp.cfg does not say the LM's frame rate")
    if not isinstance(wanted, int | float):
        raise Unusable(f"transformer_lm.compression_model_framerate is {wanted!r}, not a number")
    if not math.isclose(wanted, given, rel_tol=0.01):
        return failed(f"The LM is for {wanted:g} Hz frames, {codec.name} gives {given:g}.", REMEDY)
    return passed(f"{given:g} Hz frames")


def trained(named: str | None, signature: str | None, pretrained: str | None) -> Outcome:
    """Compare the codec with the one in training: two of one shape have other codes all the same.

    Args:
        named: ``compression_model_checkpoint`` of xp.cfg.
        signature: of the experiment that the codec comes from, where that is known.
        pretrained: the name of the codec, or of the repository that its weights are from.
    """
    own = f"{SIGNATURE}{signature}" if signature else f"{REFERENCE_PREFIX}{pretrained}"
    if named is None or not (signature or pretrained):
        return skipped("which codec it was trained on, or which this is, cannot be told")
    if named == own:
        return passed(f"{own} is the codec that it was trained on")
    told = named.startswith((SIGNATURE, REFERENCE_PREFIX))
    if not told or not (signature or pretrained in KNOWN):  # a repository may have a copy of it
        return skipped("whether it was trained on this codec cannot be told")
    return warned(f"The LM was trained on {named}, the release has {own}.", REMEDY)


def delays(settings: Settings) -> Outcome:
    """See that the delay pattern has one delay for each stream, in rising order."""
    pattern = settings.get("codebooks_pattern.modeling")
    if pattern != "delay":
        return skipped(f"the pattern is {pattern}, not delay")
    streams, found = settings.count("transformer_lm.n_q"), settings.get("codebooks_pattern.delay")
    values = found.get("delays") if isinstance(found, dict) else None
    if values is None:
        return passed(f"{streams} delays, each one more than the last")
    remedy = f"'export.config_overrides={{codebooks_pattern.delay.delays: {[*range(streams)]}}}'"
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        return failed(f"codebooks_pattern.delay.delays is {values!r}.", remedy)
    if len(values) != streams:
        return failed(f"There are {len(values)} delays for {streams} streams.", remedy)
    if sorted(values) != values:
        return failed(f"The delays do not rise: {values}.", remedy)
    return passed(f"{streams} delays: {', '.join(map(str, values))}")


def _per_timestep(settings: Settings) -> bool:
    return settings.flag("interleave_stereo_codebooks.per_timestep", False)

"""A codec that can be heard: an exported EnCodec, or a pretrained one, in transformers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stages.common.codecs import KNOWN
from stages.common.encodec_config import codec_config
from stages.common.encodec_names import codec_parts
from stages.common.expressible import codec_obstacles
from stages.common.settings import Unusable
from stages.validate import model_checks
from stages.validate.models import Model
from stages.validate.silence import silent
from stages.validate.weights import Weights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Codec:
    """A codec in memory.

    Attributes:
        model: transformers' ``EncodecModel``, in float32.
        name: what it is, for people.
        bins: the codes that it has; its codebooks may have been filled up with more.
    """

    model: Any
    name: str
    bins: int

    @classmethod
    def of(cls, model: Model, device: str) -> Codec:
        """Build the codec of a release.

        Raises:
            Unusable: when it is not at hand, or transformers cannot express it; says why.
        """
        name = model.file.pretrained
        return cls._pretrained(name, device) if name is not None else cls._own(model, device)

    @classmethod
    def _pretrained(cls, name: str, device: str) -> Codec:
        from transformers import EncodecModel

        if "/" not in name:
            raise Unusable(f"{name} is no EnCodec that transformers has")
        try:
            with silent():
                found: Any = EncodecModel.from_pretrained(name, local_files_only=True)
        except (OSError, ValueError) as error:
            raise Unusable(f"the codec {name} is not in the Hub's cache") from error
        bins = KNOWN[name].cardinality if name in KNOWN else int(found.config.codebook_size)
        return cls(found.float().eval().to(device), name, bins)

    @classmethod
    def _own(cls, model: Model, device: str) -> Codec:
        from transformers import EncodecConfig, EncodecModel

        file, settings = model.file, model.settings
        if told := model_checks.deviation(file, settings):
            raise Unusable(told)
        if obstacles := codec_obstacles(settings):
            raise Unusable(f"transformers cannot express it: {'; '.join(obstacles)}")
        weights = Weights(file.weights, "cpu")
        parts = codec_parts(file.shapes)
        made: Any = EncodecModel(EncodecConfig(**codec_config(settings)))
        state = {name: weights.part(part) for name, part in parts.items()}
        if state.keys() != made.state_dict().keys():
            raise Unusable("transformers' EnCodec and the mapping differ")
        made.load_state_dict(state, strict=True)
        return cls(made.eval().to(device), "the codec", settings.count("rvq.bins", 1024))

    @property
    def sample_rate(self) -> int:
        """Of its sounds, in Hz."""
        return int(self.model.config.sampling_rate)

    @property
    def channels(self) -> int:
        """Of its sounds: 1 or 2."""
        return int(self.model.config.audio_channels)

    def encode(self, sound: Tensor) -> Tensor:
        """Give the codes of a sound, float32 [channels, samples]: int64 [codebooks, steps]."""
        import torch

        with torch.inference_mode():
            found = self.model.encode(
                sound[None].to(self.model.device),
                bandwidth=self.model.config.target_bandwidths[-1],
            )
        codes: Tensor = found.audio_codes[0, 0].cpu()
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Give the sound of int64 codes [codebooks, steps]: float32 [channels, samples]."""
        import torch

        with torch.inference_mode():
            found = self.model.decode(codes[None, None].to(self.model.device), [None])
        sound: Tensor = found.audio_values[0].float().cpu()
        return sound

    def sound(self, tokens: Tensor, stereo: bool) -> Tensor:
        """Give the sound of a language model's tokens; of stereo ones, the channels take turns."""
        import torch

        if not stereo:
            return self.decode(tokens)
        return torch.cat([self.decode(tokens[side::2]) for side in (0, 1)])

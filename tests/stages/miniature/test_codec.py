import re

import pytest
import torch
from omegaconf import OmegaConf
from transformers import EncodecConfig, EncodecModel

from stages.common.settings import CODEC_NODES, Settings
from stages.miniature.codec import Codec
from stages.miniature.melodies import Melodies
from stages.miniature.quantizer import Habits
from stages.miniature.seeds import generator
from tests.miniature import TINY_CODEC, config_of

ODD = (*TINY_CODEC[1:], "seanet.ratios=[5,3]")
"""Strides that cannot be padded alike on both sides."""


@pytest.fixture(scope="module", params=[(), TINY_CODEC[1:], ODD], ids=["shipped", "tiny", "odd"])
def config(request):
    return config_of("solver=compression", *request.param)


@pytest.fixture(scope="module")
def codec(config) -> Codec:
    """A codec whose codebooks have seen a batch."""
    codec = Codec.of(config)
    with torch.no_grad():
        codec.learn(audio(config, codec), Habits.of(config), generator("chance"))
    return codec.requires_grad_(False)


def audio(config, codec: Codec) -> torch.Tensor:
    (batch,) = Melodies.of(config, codec.hop).batches("train", 1, 1, 8)
    return batch.audio


def renamed(name: str) -> str:
    """Give a tensor's name in transformers, as measured on a codec that AudioCraft trained."""
    name = re.sub(r"^(encoder|decoder)\.model\.", r"\1.layers.", name)
    name = re.sub(r"conv(tr)?\.conv(tr)?\.", "conv.", name)
    name = name.replace("quantizer.vq.layers.", "quantizer.layers.")
    name = name.replace("._codebook.", ".codebook.")
    for old, new in (("g", "original0"), ("v", "original1")):
        name = name.replace(f".weight_{old}", f".parametrizations.weight.{new}")
    return name


def as_transformers_has_it(config, codec: Codec) -> EncodecModel:
    net = config.seanet
    settings = EncodecConfig(
        target_bandwidths=[100.0], sampling_rate=config.sample_rate, audio_channels=1,
        normalize=False, hidden_size=net.dimension, num_filters=net.n_filters,
        num_residual_layers=net.n_residual_layers, upsampling_ratios=list(net.ratios),
        norm_type=net.norm, kernel_size=net.kernel_size, last_kernel_size=net.last_kernel_size,
        residual_kernel_size=net.residual_kernel_size, dilation_growth_rate=net.dilation_base,
        use_causal_conv=net.causal, pad_mode=net.pad_mode, compress=net.compress,
        num_lstm_layers=net.lstm, trim_right_ratio=net.decoder.trim_right_ratio,
        codebook_size=config.rvq.bins, codebook_dim=net.dimension, use_conv_shortcut=False,
    )  # fmt: skip
    model = EncodecModel(settings).eval()
    state = {renamed(name): tensor for name, tensor in codec.state_dict().items()}
    given = model.load_state_dict(state, strict=False)
    assert not given.unexpected_keys
    # one built with more codebooks than the codec has; the rest of it is complete
    books = {name.split(".")[2] for name in given.missing_keys}
    assert all(name.startswith("quantizer.layers.") for name in given.missing_keys)
    assert not books & {str(n) for n in range(config.rvq.n_q)}
    return model


def test_transformers_gives_the_same_codes_and_the_same_audio(config, codec):
    theirs = as_transformers_has_it(config, codec)
    x = audio(config, codec)
    codes = codec.encode(x)
    with torch.no_grad():
        frames = theirs.encoder(x)
        expected = theirs.quantizer.encode(frames, bandwidth=None).transpose(0, 1)
        assert torch.equal(codes, expected[:, : config.rvq.n_q])
        latent = sum(theirs.quantizer.layers[k].decode(codes[:, k]) for k in range(config.rvq.n_q))
        assert torch.equal(codec.decode(codes), theirs.decoder(latent))
    assert len(codes.unique()) > 8


def test_the_names_are_those_that_a_config_implies(config, codec):
    from stages.validate import encodec

    settings = Settings.of(OmegaConf.create(OmegaConf.to_container(config)), CODEC_NODES)
    found = {name: tuple(tensor.shape) for name, tensor in codec.state_dict().items()}
    assert found == dict(encodec.key_model(settings).shapes)


@pytest.mark.parametrize("samples", [1, 639, 640, 641, 2000])
def test_any_length_is_padded_to_whole_frames(samples):
    codec = Codec.of(config_of("solver=compression"))
    with torch.no_grad():
        codes = codec.encode(torch.zeros(1, 1, samples))
        assert codes.shape == (1, 4, -(-samples // 640))
        assert codec.decode(codes).shape == (1, 1, codes.shape[-1] * 640)
        copied = codec.copy(torch.zeros(1, 1, samples))
    assert copied.shape == (1, 1, samples)


def test_the_scale_is_kept_from_layer_to_layer():
    # A codec that starts a hundred times too soft learns nothing in the time that it has.
    config = config_of("solver=compression")
    codec = Codec.of(config)
    x = audio(config, codec)
    with torch.no_grad():
        ratio = codec.copy(x).std() / x.std()
    assert 0.1 < ratio < 10


def test_a_seed_gives_one_set_of_weights_and_leaves_torch_s_own_alone():
    torch.manual_seed(5)
    undisturbed = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (
        Codec.of(config_of(*TINY_CODEC, f"seed={seed}")).state_dict() for seed in (1, 1, 2)
    )
    assert torch.equal(torch.rand(3), undisturbed)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["encoder.model.0.conv.conv.weight_v"],
                           other["encoder.model.0.conv.conv.weight_v"])  # fmt: skip

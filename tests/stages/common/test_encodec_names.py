"""AudioCraft's names of an EnCodec as transformers' names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common.encodec_config import bandwidth, codebooks_of, codec_config
from stages.common.encodec_names import FAR, codec_parts, padded_size
from stages.common.renaming import Padding
from stages.common.settings import CODEC_NODES, Settings, Unusable
from tests.xp_configs import ENCODEC, compose
from tests.xp_shapes import encodec_shapes


@given(
    st.lists(st.integers(2, 5), min_size=1, max_size=4),
    st.integers(1, 3),
    st.integers(1, 9),
    st.integers(2, 70),
)
def test_every_tensor_has_one_place(ratios, lstm, n_q, bins):
    values = {"seanet.ratios": ratios, "seanet.lstm": lstm, "rvq.n_q": n_q, "rvq.bins": bins}
    shapes = encodec_shapes(compose(ENCODEC, values))
    parts = codec_parts(shapes)
    assert sorted(part.name for part in parts.values()) == sorted(shapes)
    assert all(part.rows is None for part in parts.values())
    for name, part in parts.items():
        size = part.shape(shapes[part.name])[0]
        filled = name.endswith(("embed", "embed_avg", "cluster_size"))
        assert size == (padded_size(bins) if filled else shapes[part.name][0])


def test_a_codebook_is_filled_up_with_what_is_never_near():
    parts = codec_parts({"quantizer.vq.layers.0._codebook.embed": (400, 8)})
    assert parts["quantizer.layers.0.codebook.embed"].padding == Padding(112, FAR)
    assert (
        codec_parts({"quantizer.vq.layers.0._codebook.embed": (512, 8)})[
            "quantizer.layers.0.codebook.embed"
        ].padding
        is None
    )


@given(st.integers(1, 1 << 16))
def test_the_padded_size_is_the_next_power_of_two(bins):
    size = padded_size(bins)
    assert size & (size - 1) == 0 and bins <= size < 2 * bins + (bins == 1)


@given(st.integers(1, 64), st.integers(8000, 48000), st.integers(20, 2000), st.integers(1, 16))
def test_transformers_takes_all_codebooks_from_the_bandwidth(n_q, sample_rate, hop, bits):
    found = bandwidth(n_q, sample_rate, hop, 1 << bits)
    per_book = -(-sample_rate // hop) * bits
    assert int(1000 * found // per_book) == n_q
    assert found == pytest.approx(n_q * per_book / 1000)
    config = {
        "sampling_rate": sample_rate, "upsampling_ratios": [hop, 1], "codebook_size": 1 << bits,
        "target_bandwidths": [found / 2, found],
    }  # fmt: skip
    assert codebooks_of(config) == n_q


def test_the_norms_are_named():
    made = codec_parts({
        "encoder.model.0.conv.conv.weight_g": (2, 1, 1),
        "encoder.model.0.conv.conv.weight_v": (2, 1, 7),
        "decoder.model.3.convtr.norm.weight": (2,),
        "decoder.model.4.block.1.conv.conv.bias": (2,),
        "decoder.model.4.shortcut.conv.conv.bias": (2,),
    })  # fmt: skip
    assert list(made) == [
        "encoder.layers.0.conv.parametrizations.weight.original0",
        "encoder.layers.0.conv.parametrizations.weight.original1",
        "decoder.layers.3.norm.weight",
        "decoder.layers.4.block.1.conv.bias",
        "decoder.layers.4.shortcut.conv.bias",
    ]


def test_a_tensor_without_a_place_is_named():
    with pytest.raises(Unusable, match="weight_orig"):
        codec_parts({"encoder.model.0.conv.conv.weight_orig": (2, 1, 7)})


def test_the_figures_are_those_of_the_config():
    config = compose(ENCODEC, {"rvq.bins": 400, "rvq.n_q": 3, "channels": 2})
    found = codec_config(Settings.of(config, CODEC_NODES))
    assert found["codebook_size"] == 512 and found["target_bandwidths"] == [50 * 3 * 9 / 1000]
    assert found["audio_channels"] == 2 and found["upsampling_ratios"] == [8, 5, 4, 4]
    assert found["use_conv_shortcut"] is False and found["pad_mode"] == "constant"

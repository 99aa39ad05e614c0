"""A release in transformers' format, loaded with transformers itself."""

from __future__ import annotations

import json
import logging
import shutil

import pytest
import torch

from pipeline.errors import FormatError
from pipeline.files import file_digest
from tests.definition import logits
from tests.experiments import write_exported, write_reference
from tests.exports import load
from tests.hub_cache import write_cached
from tests.stages.export_transformers.conftest import made, ready, stage
from tests.text_encoders import LAYERS, write_t5
from tests.xp_configs import MELODY, STEREO, UNCONDITIONAL

TOLERANCE = 1e-4
LOUD = 20
"""The weights of small experiments are so small that attention hardly counts: both sides get this
much larger ones."""
CLEAN = {"missing_keys": set(), "unexpected_keys": set(), "mismatched_keys": set()}


@pytest.fixture(autouse=True)
def _silent_progress():
    from transformers.utils import logging as own

    own.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)


def opened(bench, kind="MusicgenForConditionalGeneration", **options):
    """Load the model, having made sure that every tensor found its place."""
    import transformers

    folder = bench.run.export_transformers.root
    model, found = getattr(transformers, kind).from_pretrained(
        folder, output_loading_info=True, **options
    )
    assert {key: found[key] for key in CLEAN} == CLEAN and not found["error_msgs"]
    return model.eval()


def weights_of(bench):
    """Give what export_lm wrote, in float32."""
    state = load(bench.run.export_lm.state_dict)["best_state"]
    return {name: LOUD * tensor.float() for name, tensor in state.items()}


def loud(model):
    """Give the model with larger weights in its decoder."""
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(LOUD)
    return model


def question(n_q=4, dim=16):
    generator = torch.Generator().manual_seed(1)
    codes = torch.randint(0, 65, (2, n_q, 7), generator=generator)
    return codes, torch.randn(2, 5, dim, generator=generator)


@pytest.fixture(scope="module")
def text(tmp_path_factory, t5):
    """A text-conditioned model."""
    return made(ready(tmp_path_factory.mktemp("text")), stage(t5))


def test_the_decoder_says_what_audiocraft_defines(text):
    model, (codes, condition) = loud(opened(text)), question()
    with torch.inference_mode():
        said = model.decoder(
            codes.reshape(8, 7),
            encoder_hidden_states=condition,
            encoder_attention_mask=torch.ones(2, 5),
        ).logits
        wanted = logits(weights_of(text), codes, heads=2, cross=condition)
    assert wanted.abs().mean() > 0.5
    assert (said.view(2, 4, 7, 64) - wanted).abs().max() < TOLERANCE


def test_the_codec_is_the_exported_one(text):
    own = load(text.run.export_compression.compression)["best_state"]
    model = opened(text).audio_encoder
    books = [layer.codebook.embed for layer in model.quantizer.layers]
    assert len(books) == 4
    for level, book in enumerate(books):
        assert torch.equal(book, own[f"quantizer.vq.layers.{level}._codebook.embed"])
    first = model.encoder.layers[0].conv.parametrizations.weight
    assert torch.equal(first.original0, own["encoder.model.0.conv.conv.weight_g"])
    assert torch.equal(first.original1, own["encoder.model.0.conv.conv.weight_v"])


def test_the_text_encoder_is_the_one_that_was_named(text, t5):
    from transformers import T5EncoderModel

    own = T5EncoderModel.from_pretrained(t5).state_dict()
    found = opened(text).text_encoder.state_dict()
    assert own.keys() == found.keys() and len(own) > 4 * LAYERS
    assert all(torch.equal(own[name], found[name]) for name in own)


def test_a_text_becomes_sound(text):
    from transformers import AutoProcessor

    folder, model = text.run.export_transformers.root, opened(text)
    processor = AutoProcessor.from_pretrained(folder)
    inputs = processor(text=["abc", "a bad cab"], padding=True, return_tensors="pt")
    assert inputs["input_ids"].tolist()[0][-1] in (0, 1)
    sound = model.generate(**inputs, max_new_tokens=10)
    assert sound.shape[:2] == (2, 1) and sound.shape[2] % 640 == 0 and sound.isfinite().all()
    assert model.generation_config.guidance_scale == 3.0
    assert model.generation_config.max_length == 20 * 50
    assert processor.feature_extractor.sampling_rate == 32000


def test_the_same_request_gives_the_same_bytes(text, tmp_path, t5):
    other = made(ready(tmp_path), stage(t5))
    folders = [bench.run.export_transformers.root for bench in (text, other)]
    names = [sorted(path.name for path in folder.iterdir()) for folder in folders]
    assert names[0] == names[1]
    for name in names[0]:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


def test_no_file_says_where_it_was_made(text, t5):
    for path in text.run.export_transformers.root.iterdir():
        assert str(t5).encode() not in path.read_bytes()


def test_the_digests_are_those_of_the_files(text):
    folder, known = text.run.export_transformers.root, text.records["export_transformers"].digests
    assert known == {path.name: file_digest(path) for path in folder.iterdir()}


@pytest.mark.parametrize("attention", ["self_attn", "encoder_attn"])
def test_queries_and_values_that_changed_places_are_not_what_audiocraft_defines(text, attention):
    """What the parity above is worth."""
    model, (codes, condition) = loud(opened(text)), question()
    layer = getattr(model.decoder.model.decoder.layers[0], attention)
    layer.q_proj, layer.v_proj = layer.v_proj, layer.q_proj
    with torch.inference_mode():
        said = model.decoder(codes.reshape(8, 7), encoder_hidden_states=condition).logits
        wanted = logits(weights_of(text), codes, heads=2, cross=condition)
    assert (said.view(2, 4, 7, 64) - wanted).abs().max() > 100 * TOLERANCE


def test_a_truncated_file_does_not_load(text, tmp_path):
    from transformers import MusicgenForConditionalGeneration

    folder = shutil.copytree(text.run.export_transformers.root, tmp_path / "cut")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(Exception, match="incomplete|header|invalid|out of bounds"):
        MusicgenForConditionalGeneration.from_pretrained(folder)


def test_stereo_has_both_channels(tmp_path, t5):
    values = {"n_q": 8, "config_overrides": STEREO}
    bench = made(ready(tmp_path, **values), stage(t5))
    model, (codes, condition) = loud(opened(bench)), question(n_q=8)
    assert (
        model.config.decoder.audio_channels == 2 and model.config.audio_encoder.audio_channels == 1
    )
    with torch.inference_mode():
        said = model.decoder(codes.reshape(16, 7), encoder_hidden_states=condition).logits
        wanted = logits(weights_of(bench), codes, heads=2, cross=condition)
        sound = model.generate(input_ids=torch.tensor([[3, 1]]), max_new_tokens=10)
    assert (said.view(2, 8, 7, 64) - wanted).abs().max() < TOLERANCE
    assert sound.shape[:2] == (1, 2)


def test_a_melody_model_loads_and_generates(tmp_path, t5):
    bench = made(ready(tmp_path, config_overrides=MELODY), stage(t5))
    model = loud(opened(bench, "MusicgenMelodyForConditionalGeneration"))
    assert (model.config.num_chroma, model.config.chroma_length) == (12, 157)
    codes, condition = question()
    with torch.inference_mode():
        said = model.decoder(codes.reshape(8, 7), encoder_hidden_states=condition).logits
        wanted = logits(weights_of(bench), codes, heads=2, prepended=condition)
        sound = model.generate(input_ids=torch.tensor([[3, 1]]), max_new_tokens=10)
    assert (said.view(2, 4, -1, 64)[:, :, -7:] - wanted).abs().max() < TOLERANCE
    assert sound.shape[:2] == (1, 1)
    processor = json.loads(bench.run.export_transformers.processor.read_text())
    assert processor["processor_class"] == "MusicgenMelodyProcessor"
    assert (processor["n_fft"], processor["hop_length"]) == (16384, 4096)


def test_float16_stays_float16_and_the_codec_float32(tmp_path, t5):
    from safetensors import safe_open

    bench = made(ready(tmp_path), stage(t5, dtype="float16"))
    with safe_open(bench.run.export_transformers.root / "model.safetensors", "pt") as file:
        dtypes = {name.partition(".")[0]: file.get_tensor(name).dtype for name in list(file.keys())}
    assert dtypes == {
        "decoder": torch.float16,
        "enc_to_dec_proj": torch.float16,
        "audio_encoder": torch.float32,
        "text_encoder": torch.float32,
    }
    assert opened(bench).dtype == torch.float16
    assert opened(bench, dtype=torch.float32).dtype == torch.float32


def test_a_codebook_of_400_entries_is_filled_up_and_speaks_the_same(tmp_path, t5):
    bench = made(ready(tmp_path, card=400, codec={"bins": 400}), stage(t5))
    codec = opened(bench).audio_encoder
    assert codec.config.codebook_size == 512
    generator = torch.Generator().manual_seed(2)
    with torch.inference_mode():
        codes = codec.encode(torch.randn(1, 1, 6400, generator=generator)).audio_codes
    assert codes.shape == (1, 1, 4, 10) and codes.max() < 400


def test_weights_of_t5_in_torchs_own_form(tmp_path, t5, text):
    """The same bytes as from safetensors."""
    own = write_t5(tmp_path / "own", form="bin")
    bench = made(ready(tmp_path), stage(own))
    name = "model.safetensors"
    assert file_digest(bench.run.export_transformers.root / name) == file_digest(
        text.run.export_transformers.root / name
    )


def test_a_t5_in_the_hubs_cache_needs_no_word(tmp_path, t5, text):
    write_cached(tmp_path / "home" / "hub", "google-t5/t5-base", *t5.iterdir())
    bench = made(ready(tmp_path), stage(None))
    found, known = (b.records["export_transformers"].digests for b in (bench, text))
    assert found == known


def test_a_codec_in_transformers_format_is_taken_by_its_path(tmp_path, t5, text):
    opened(text).audio_encoder.save_pretrained(tmp_path / "codec")
    bench = ready(tmp_path)
    reference = stage(
        t5, codec=str(tmp_path / "codec"), kind="reference", pretrained="facebook/encodec_32khz"
    )
    made(bench, reference)
    codec, own = opened(bench).audio_encoder, opened(text).audio_encoder
    assert all(torch.equal(a, b) for a, b in zip(codec.parameters(), own.parameters(), strict=True))


def test_an_exported_codec_is_taken_by_its_path(tmp_path, t5, text):
    bench = ready(tmp_path)
    path = write_exported(
        tmp_path / "c" / "codec.bin", tmp_path / "dora" / "xps" / "98dabcc6" / "checkpoint.th"
    )
    reference = stage(t5, codec=str(path), kind="reference", pretrained="facebook/encodec_32khz")
    made(bench, reference)
    name = "model.safetensors"
    assert file_digest(bench.run.export_transformers.root / name) == file_digest(
        text.run.export_transformers.root / name
    )


def test_a_codec_of_another_size_does_not_fit(tmp_path, t5):
    bench = ready(tmp_path, card=128)
    with pytest.raises(FormatError, match=r"4 codebooks of 64 entries.*4 of 128"):
        made(bench, stage(t5))


def test_a_t5_that_is_nowhere_is_asked_for(tmp_path):
    (problem,) = ready(tmp_path).check(stage(None))
    assert "t5-base is not on this machine" in problem.what
    assert "export.text_encoder=google-t5/t5-base" in problem.hint


def test_a_t5_of_another_width_is_refused(tmp_path):
    small = write_t5(tmp_path / "small", width=32)
    (problem,) = ready(tmp_path).check(stage(small))
    assert "32" in problem.what and "768" in problem.what


@pytest.mark.parametrize("lacking", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_t5_that_is_not_whole_is_refused_before_any_work(tmp_path, t5, lacking):
    own = shutil.copytree(t5, tmp_path / "own")
    (own / lacking).unlink()
    (problem,) = ready(tmp_path).check(stage(own))
    assert lacking in problem.what


def test_a_codec_that_is_nowhere_is_asked_for(tmp_path, t5):
    name = "facebook/encodec_32khz"
    (problem,) = ready(tmp_path).check(stage(t5, kind="reference", pretrained=name))
    assert "export.codec=facebook/encodec_32khz" in problem.hint


def test_a_codec_that_is_drawn_at_random_cannot_be_contained(tmp_path, t5):
    name = "debug_compression_model"
    (problem,) = ready(tmp_path).check(stage(t5, kind="reference", pretrained=name))
    assert "drawn at random" in problem.what


def test_what_is_neither_path_nor_id_is_said(tmp_path, t5):
    asked = stage(tmp_path / "nothing here", codec=str(tmp_path / "nor here"))
    problems = ready(tmp_path).check(asked)
    assert [problem.what.partition("=")[0] for problem in problems] == [
        "export.codec",
        "export.text_encoder",
    ]


def test_a_reference_is_no_codec_to_take(tmp_path, t5):
    path = write_reference(tmp_path / "reference.bin")
    (problem,) = ready(tmp_path).check(stage(t5, codec=str(path)))
    assert "no codec's weights" in problem.what


def test_all_that_transformers_lacks_is_said_before_any_work(tmp_path, t5):
    values = {"transformer_lm.kv_repeat": 2, "transformer_lm.positional_embedding": "rope"}
    bench = ready(
        tmp_path,
        config_overrides=values,
        codec={"config_overrides": {"seanet.decoder.final_activation": "Tanh"}},
    )
    told = "\n".join(problem.what for problem in bench.check(stage(t5)))
    for named in ("kv_repeat is 2", "positional_embedding is rope", "final_activation is Tanh"):
        assert named in told


def test_a_model_without_conditions_is_refused(tmp_path, t5):
    bench = ready(tmp_path, conditioners=None, config_overrides=UNCONDITIONAL)
    (problem,) = bench.check(stage(t5))
    assert "no conditioner" in problem.what and "formats=[audiocraft]" in problem.hint


@pytest.mark.parametrize(
    ("formats", "named"),
    [(["audiocraft", "transfomers"], "transformers"), (["transformers"], "audiocraft")],
)
def test_a_format_that_does_not_exist_is_refused(tmp_path, t5, formats, named):
    asked = stage(t5)
    asked.formats = formats
    (problem,) = ready(tmp_path).check(asked)
    assert named in problem.hint


def test_without_the_format_there_is_nothing_to_do(tmp_path):
    asked = stage(None)
    asked.formats = ["audiocraft"]
    bench = ready(tmp_path)
    assert bench.check(asked) == [] and not bench.plan(asked).needed

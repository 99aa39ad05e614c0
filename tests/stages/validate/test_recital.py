"""``validate=full``: tokens, sounds, and what is said where there can be none."""

import json
import wave
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.candidates import Candidate
from tests.text_encoder import write_text_encoder

FULL = ("codec.sound", "lm.text", "lm.greedy", "lm.sampled", "lm.sounds")


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text encoder of the width of t5-base."""
    return write_text_encoder(tmp_path_factory.mktemp("a T5"))


@pytest.fixture(autouse=True)
def brief(candidate: Candidate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Sounds of a few steps, and a Hub's cache with nothing in it."""
    candidate.options |= {"seconds": 0.1, "seeds": [3]}
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))


def rows(candidate: Candidate) -> dict[str, dict[str, Any]]:
    found = candidate.report("full")
    return {name: row for name, row in found.items() if name in FULL}


def listed(candidate: Candidate) -> dict[str, dict[str, Any]]:
    path = candidate.run.working("validate") / "samples" / "samples.json"
    return {sample["file"]: sample for sample in json.loads(path.read_text())["samples"]}


def test_texts_become_sounds(candidate: Candidate, t5: Path, capfd: pytest.CaptureFixture[str]):
    texts = ["a flute", "drums"]
    candidate.options |= {"prompts": texts, "seeds": [3, 4], "text_encoder": str(t5)}
    capfd.readouterr()
    found = rows(candidate)
    assert capfd.readouterr() == ("", "")
    assert list(found) == list(FULL)
    assert found["lm.text"]["verdict"] == found["lm.sounds"]["verdict"] == "pass"
    assert found["lm.greedy"]["figures"]["steps"] == 5
    samples = listed(candidate)
    made = {(s["prompt"], s["seed"]) for name, s in samples.items() if name != "codec.wav"}
    assert made == {(text, seed) for text in texts for seed in (3, 4)}
    folder = candidate.run.working("validate") / "samples"
    for name in samples:
        with wave.open(str(folder / name)) as file:
            assert file.getframerate() == 32000
            assert name == "codec.wav" or file.getnframes() == 3200
    shares = found["lm.sampled"]["figures"]["most_frequent"]
    assert len({tuple(share) for share in shares}) > 1


def test_the_same_request_gives_the_same_tokens(candidate: Candidate, t5: Path):
    candidate.options |= {"prompts": ["a flute"], "text_encoder": str(t5)}
    first, again = rows(candidate), rows(candidate)
    assert first == again
    candidate.options["prompts"] = ["drums"]
    assert rows(candidate)["lm.sampled"]["figures"] != first["lm.sampled"]["figures"]


def test_without_the_text_encoder_sounds_are_made_without_a_text(candidate: Candidate):
    candidate.options["prompts"] = ["a flute"]
    found = rows(candidate)
    assert found["lm.text"]["verdict"] == "skipped"
    assert found["lm.text"]["message"].startswith("the text encoder t5-base is not in the Hub's")
    assert found["lm.sounds"]["verdict"] == "pass"
    (sample,) = [s for name, s in listed(candidate).items() if name != "codec.wav"]
    assert (sample["file"], sample["prompt"]) == ("unconditional-seed3.wav", None)


def test_a_text_encoder_of_another_width_is_said_to_be_one(candidate: Candidate, tmp_path: Path):
    candidate.options |= {
        "prompts": ["a flute"],
        "text_encoder": str(write_text_encoder(tmp_path / "t5", 32)),
    }
    row = rows(candidate)["lm.text"]
    assert row["verdict"] == "skipped"
    assert "32 floats a word, the model was trained with 768" in row["message"]


def test_a_model_that_only_repeats_itself_is_worth_a_warning(candidate: Candidate):
    def favour(package: dict[str, Any]) -> None:
        state = package["best_state"]
        state["out_norm.weight"].zero_()
        state["out_norm.bias"].fill_(1)
        for k in range(4):
            state[f"linears.{k}.weight"].zero_()
            state[f"linears.{k}.weight"][5 + k] = 3

    candidate.spoil(favour)
    found = rows(candidate)
    assert found["lm.sampled"]["verdict"] == "warn"
    assert found["lm.sampled"]["figures"]["most_frequent"] == [[1.0] * 4]
    assert "over and over" in found["lm.sampled"]["message"]
    assert found["lm.greedy"]["verdict"] == "pass"


def test_a_model_without_numbers_to_choose_by_fails(candidate: Candidate):
    def spoil(package: dict[str, Any]) -> None:
        package["best_state"]["out_norm.bias"][:] = float("nan")

    candidate.spoil(spoil)
    found = rows(candidate)
    assert found["lm.greedy"]["verdict"] == found["lm.sampled"]["verdict"] == "fail"
    assert "of step 1" in found["lm.greedy"]["message"]
    assert found["lm.sounds"]["verdict"] == "skipped"


def test_a_codec_that_gives_noise_is_worth_a_warning(candidate: Candidate):
    def loud(package: dict[str, Any]) -> None:
        name = "decoder.model.15.conv.conv.bias"
        package["best_state"][name] += 3

    candidate.spoil(loud, codec=True)
    row = rows(candidate)["codec.sound"]
    assert row["verdict"] == "warn"
    assert row["figures"]["snr_db"] < -10


def test_a_codec_that_is_only_named_is_taken_from_the_cache(referring: Candidate):
    found = rows(referring)
    for name in ("codec.sound", "lm.sounds"):
        assert found[name]["verdict"] == "skipped"
        assert "facebook/encodec_32khz is not in the Hub's cache" in found[name]["message"]
    assert found["lm.sampled"]["verdict"] == "pass"
    assert not (referring.run.working("validate") / "samples").exists()


def test_a_codec_alone_is_heard(codec_alone: Candidate):
    assert list(rows(codec_alone)) == ["codec.sound"]
    assert list(listed(codec_alone)) == ["codec.wav"]


def test_quick_makes_no_sounds(candidate: Candidate):
    assert not set(candidate.report("quick")) & set(FULL)
    assert not (candidate.run.working("validate") / "samples").exists()


def test_a_cast_model_is_run_like_any_other(candidate: Candidate):
    def cast(package: dict[str, Any]) -> None:
        state = package["best_state"]
        package["best_state"] = {name: tensor.to(torch.bfloat16) for name, tensor in state.items()}

    candidate.facts["export_lm"]["dtype"] = "bfloat16"
    candidate.spoil(cast)
    assert rows(candidate)["lm.sounds"]["verdict"] == "pass"

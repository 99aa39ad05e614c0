from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.schema import CardConfig
from stages.common import card
from stages.common.heard import Heard
from stages.common.metrics import EpochMetrics
from tests.releases import CODEC, HISTORY, LM, REFERENCE, SOURCE

GOLDEN = Path(__file__).parent / "golden"


def subject(source: dict[str, Any] | None = None, **changed: Any) -> card.Subject:
    facts: dict[str, Any] = {
        "name": "musicgen_small",
        "version": "1.0.0",
        "repo_id": "local/musicgen_small",
        "source": {**SOURCE, **(source or {})},
        "language_model": LM,
        "codec": CODEC,
    }
    return card.Subject(**{**facts, **changed})


def head(text: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return loaded


CONFIG = CardConfig(
    title="MusicGen small, jazz",
    description="Plays jazz from a description.\n",
    language=["en"],
    tags=["jazz"],
    datasets=["my-org/jazz"],
)
CARDS = {
    "finetune": (
        subject(
            {"base_model": "//pretrained/facebook/musicgen-small"},
            metrics=EpochMetrics.of(HISTORY, 2),
            samples=(
                Heard(
                    "samples/0.wav",
                    "a *calm*\n[tune]",
                    "a *calm*\n[tune]",
                    ("seed 0", "5 s"),
                    ("samples/0-waveform.png", "samples/0-mel.png"),
                ),
                Heard("samples/codec.wav", "the test signal"),
            ),
        ),
        CONFIG,
    ),
    "miniature": (
        subject({"miniature": True, "kind": "miniature"}, codec=REFERENCE),
        CardConfig(license="mit"),
    ),
    "codec": (
        subject({"family": "compression", "solver": "compression"}, language_model={}),
        CardConfig(title="EnCodec", license="other"),
    ),
    "one_file": (subject(layout="all_in_one"), CardConfig()),
}


@pytest.mark.parametrize("name", CARDS)
def test_the_card_is_the_golden_one(name: str) -> None:
    """After a change that is meant, write the new text into ``golden/`` and read its diff."""
    assert card.render(*CARDS[name]) == (GOLDEN / f"{name}.md").read_text("utf-8")


def test_a_prompt_in_a_card_is_text_and_nothing_else() -> None:
    told = card.plain("<b>#1</b>\n| [x](y) `z` & é")
    assert told == r"\<b\>\#1\<\/b\> \| \[x\]\(y\) \`z\` \& é"


@pytest.mark.parametrize("name", CARDS)
def test_the_hub_client_reads_the_metadata(name: str) -> None:
    from huggingface_hub import ModelCard

    text = card.render(*CARDS[name])
    read = ModelCard(text)
    assert read.data.to_dict() == head(text)
    assert head(text)["library_name"] == "audiocraft"


def test_evaluations_reach_the_model_index() -> None:
    from huggingface_hub import ModelCard

    results = ModelCard(card.render(*CARDS["finetune"])).data.eval_results
    assert results is not None
    assert [(r.metric_type, r.metric_value) for r in results] == [
        ("fad", 4.12346),
        ("kld", 1.25),
        ("clap", 0.27),
    ]
    assert {r.dataset_type for r in results} == {"my-org/jazz"}


@pytest.mark.parametrize(
    ("solver", "tag", "loader"),
    [
        ("musicgen", "musicgen", "MusicGen.get_pretrained"),
        ("audiogen", "audiogen", "AudioGen.get_pretrained"),
        ("audio_magnet", "magnet", "MAGNeT.get_pretrained"),
        ("jasco", "jasco", "JASCO.get_pretrained"),
        ("something_new", "audiocraft", "load_lm_model"),
    ],
)
def test_the_solver_decides_tag_and_loader(solver: str, tag: str, loader: str) -> None:
    text = card.render(subject({"solver": solver}), CardConfig())
    assert head(text)["tags"] == [tag]
    assert f'{loader}("local/musicgen_small")' in text


def test_a_codec_alone_is_no_text_model() -> None:
    metadata = head(card.render(*CARDS["codec"]))
    assert (metadata["pipeline_tag"], metadata["tags"]) == ("audio-to-audio", ["encodec"])


def test_a_fine_tune_names_its_parent_and_inherits_its_license() -> None:
    metadata = head(card.render(*CARDS["finetune"]))
    assert metadata["base_model"] == "facebook/musicgen-small"
    assert metadata["base_model_relation"] == "finetune"
    assert metadata["license"] == "cc-by-nc-4.0"


def test_a_model_taken_from_the_hub_names_it() -> None:
    source = {"kind": "hub", "repo_id": "facebook/musicgen-small", "revision": "main"}
    metadata = card.metadata(subject(source), CardConfig())
    assert metadata["base_model"] == "facebook/musicgen-small"
    assert "base_model_relation" not in metadata


def test_a_local_parent_is_not_published() -> None:
    metadata = card.metadata(subject({"base_model": "/checkpoint/old.th"}), CardConfig())
    assert "base_model" not in metadata


def test_a_bundled_codec_is_a_parent_and_a_reference_is_not() -> None:
    bundled = {**CODEC, "pretrained": "facebook/encodec_32khz"}
    assert card.parents(CardConfig(), SOURCE, bundled) == ("facebook/encodec_32khz",)
    assert card.parents(CardConfig(), SOURCE, REFERENCE) == ()


def test_a_codec_that_audiocraft_knows_needs_no_second_repository() -> None:
    text = card.render(subject(codec={**REFERENCE, "pretrained": "dac_44khz"}), CardConfig())
    assert "AudioCraft knows it by this name" in text
    assert "second repository" not in text


def test_a_reference_in_one_file_loads_by_its_path() -> None:
    text = card.render(subject(layout="all_in_one", codec=REFERENCE), CardConfig())
    assert 'MusicGen.get_pretrained("path/to/all_in_one.pt")' in text
    assert 'get_pretrained("local/' not in text


def test_no_license_is_said_and_not_made_up() -> None:
    text = card.render(subject(), CardConfig())
    assert "license" not in head(text)
    assert "No license was chosen" in text


def test_a_source_with_few_facts_still_has_a_card() -> None:
    few = card.Subject("n", "1", "o/n", {"kind": "file", "family": "lm"}, {}, {})
    text = card.render(few, CardConfig())
    assert "# n" in text
    assert "Epoch" not in text
    assert "None" not in text


@pytest.mark.parametrize(
    ("about", "line"),
    [
        (subject(), 'MusicGen.get_pretrained("local/musicgen_small"), or with this folder'),
        (subject({"solver": "new"}), 'loaders.load_lm_model("local/musicgen_small")'),
        (subject({"family": "compression"}), "loaders.load_compression_model("),
        (subject(layout="all_in_one"), "python -m pipeline.unpack all_in_one.pt"),
        (
            subject(layout="all_in_one", codec=REFERENCE),
            'MusicGen.get_pretrained("all_in_one.pt")',
        ),
    ],
)
def test_the_last_line_of_a_run_tells_how_it_loads(about: card.Subject, line: str) -> None:
    (told,) = card.usage(about)
    assert line in told


def test_the_miniature_says_so_at_the_end_of_a_run() -> None:
    assert "Not a real model" in card.usage(subject({"miniature": True}))[0]

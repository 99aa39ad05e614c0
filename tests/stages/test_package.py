import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline import files
from pipeline.errors import ConfigError
from pipeline.manifest import parse_sums
from pipeline.schema import CardConfig, ExportConfig, PackageConfig
from pipeline.stage import Plan
from stages.common.front_matter import Card
from stages.validate.samples import Samples
from tests.releases import CODEC, LM, Fabricated, fabricate, package


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    return fabricate(tmp_path / "out puts 'ü'")


def manifest(made: Fabricated) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(made.run.release.manifest.read_text())
    return read


def names(made: Fabricated) -> list[str]:
    root = made.run.release.root
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


def test_a_release_holds_its_five_files(made: Fabricated) -> None:
    made.make(package())
    weights = ["compression_state_dict.bin", "state_dict.bin"]
    assert names(made) == ["README.md", "SHA256SUMS", weights[0], "release.json", weights[1]]


def test_weights_are_linked_and_not_copied(made: Fabricated) -> None:
    made.make(package())
    assert made.run.release.state_dict.samefile(made.run.export_lm.state_dict)
    assert made.run.release.compression.samefile(made.run.export_compression.compression)


def test_sha256sum_accepts_the_release(made: Fabricated) -> None:
    made.make(package())
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    subprocess.run(check, cwd=made.run.release.root, check=True, capture_output=True)
    listed = parse_sums(made.run.release.sums.read_text())
    assert sorted(listed) == ["compression_state_dict.bin", "release.json", "state_dict.bin"]


def test_release_json_tells_source_settings_and_files(made: Fabricated) -> None:
    record = made.make(package())
    told = manifest(made)
    assert (told["format"], told["name"], told["version"]) == (1, "musicgen_small", "1.0.0")
    assert told["source"]["signature"] == "9370b59c"
    assert told["settings"]["export_compression"]["form"] == "weights"
    assert "miniature" not in told
    assert "miniature" not in told["source"]
    assert sorted(told["files"]) == ["compression_state_dict.bin", "state_dict.bin"]
    content = made.run.release.state_dict.read_bytes()
    assert told["files"]["state_dict.bin"] == {
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert record.facts["files"]["release.json"]["size"] == made.run.release.manifest.stat().st_size


def test_digests_come_from_the_stage_that_wrote_the_file(made: Fabricated) -> None:
    written = json.loads(made.run.record("export_lm").read_text())
    written["files"]["state_dict.bin"]["sha256"] = "12" * 32
    made.run.record("export_lm").write_text(json.dumps(written))
    record = made.make(package())
    assert record.digests["state_dict.bin"].sha256 == "12" * 32


@pytest.mark.parametrize(
    "spoilt",
    [
        "{}",
        "no json",
        '{"files": {"state_dict.bin": {"size": 1}}}',
        '{"files": {"state_dict.bin": {"size": 1, "sha256": "12"}}}',
    ],
)
def test_a_record_that_does_not_know_the_file_has_it_hashed(made: Fabricated, spoilt: str) -> None:
    made.run.record("export_lm").write_text(spoilt)
    record = made.make(package())
    assert record.digests["state_dict.bin"] == files.file_digest(made.run.release.state_dict)


def test_the_miniature_says_so_in_card_and_release_json(tmp_path: Path) -> None:
    made = fabricate(tmp_path, source={"miniature": True, "kind": "miniature"})
    record = made.make(package())
    assert record.facts["miniature"] is True
    assert manifest(made)["miniature"] is True
    assert "**Not a real model.**" in made.run.release.card.read_text()


def test_an_encodec_release_has_the_codec_alone(tmp_path: Path) -> None:
    made = fabricate(tmp_path, source={"family": "compression", "solver": "compression"})
    record = made.make(package(export=ExportConfig(kind="audiocraft", layout="all_in_one")))
    assert record.facts["layout"] == "two_file"
    assert names(made) == ["README.md", "SHA256SUMS", "compression_state_dict.bin", "release.json"]
    assert "export_lm" not in manifest(made)["settings"]


def test_one_file_holds_both_models(tmp_path: Path) -> None:
    import torch

    common = {"xp.cfg": "solver: musicgen\n", "version": "1.3.0", "exported": True}
    made = fabricate(tmp_path, lm={**LM, "layout": "all_in_one"})
    torch.save({"best_state": {"w": torch.ones(3)}, **common}, made.run.export_lm.state_dict)
    torch.save(
        {"best_state": {"c": torch.zeros(2)}, **common}, made.run.export_compression.compression
    )
    record = made.make(package(export=ExportConfig(kind="audiocraft", layout="all_in_one")))
    assert names(made) == ["README.md", "SHA256SUMS", "all_in_one.pt", "release.json"]
    digest = record.digests["all_in_one.pt"]
    assert digest == files.file_digest(made.run.release.all_in_one)
    assert manifest(made)["files"]["all_in_one.pt"]["sha256"] == digest.sha256
    read = torch.load(made.run.release.all_in_one, weights_only=True)
    assert read["best_state"]["w"].tolist() == [1, 1, 1]
    assert read["compression"]["best_state"]["c"].tolist() == [0, 0]
    assert "pipeline.unpack" in made.run.release.card.read_text()


def test_what_transformers_loads_is_linked_listed_and_told(made: Fabricated) -> None:
    contents = {"config.json": b"{}", "model.safetensors": b"weights" * 100}
    made.finish("export_transformers", {"class": "MusicgenForConditionalGeneration"}, contents)
    record = made.make(package())
    release = made.run.release
    for name, content in contents.items():
        own = made.run.export_transformers.root / name
        assert (release.root / name).read_bytes() == content
        assert (release.root / name).stat().st_ino == own.stat().st_ino
        assert record.digests[name] == files.file_digest(own)
        assert name in release.sums.read_text()
    manifest = json.loads(release.manifest.read_text())
    assert set(contents) < set(manifest["files"])
    assert "stage.json" not in manifest["files"] and not (release.root / "stage.json").exists()
    card = release.card.read_text()
    assert 'MusicgenForConditionalGeneration.from_pretrained("local/musicgen_small")' in card
    assert any("transformers loads it" in line for line in record.facts["usage"])


def test_a_codec_inside_transformers_weights_hands_its_license_down(tmp_path: Path) -> None:
    reference = {**CODEC, "form": "reference", "pretrained": "facebook/encodec_32khz"}
    made = fabricate(tmp_path, codec=reference)
    asked = package(CardConfig(license="mit"))
    assert asked.check(made.context("package")) == []
    facts = {"class": "MusicgenForConditionalGeneration", "codec": "facebook/encodec_32khz"}
    made.finish("export_transformers", facts, {"config.json": b"{}"})
    (problem,) = asked.check(made.context("package"))
    assert "laxer than cc-by-nc-4.0" in problem.what
    made.make(package(CardConfig()))
    assert "license: cc-by-nc-4.0" in made.run.release.card.read_text()


def test_a_card_of_audiocraft_alone_does_not_speak_of_transformers(made: Fabricated) -> None:
    made.make(package())
    assert "transformers" not in made.run.release.card.read_text()


def test_the_same_request_gives_the_same_bytes_anywhere(tmp_path: Path) -> None:
    here, there = fabricate(tmp_path / "a"), fabricate(tmp_path / "b ü", variant="other-name")
    for made in (here, there):
        made.make(package())
    for name in names(here):
        content = (there.run.release.root / name).read_bytes()
        assert (here.run.release.root / name).read_bytes() == content
        assert str(tmp_path).encode() not in content


def test_a_local_codec_path_is_not_published(tmp_path: Path) -> None:
    made = fabricate(tmp_path, source={"codec": "/checkpoint/ada/encodec.th"})
    made.make(package())
    assert manifest(made)["source"]["codec"] == ""
    assert all(b"ada" not in (made.run.release.root / n).read_bytes() for n in names(made))


def test_metrics_are_those_of_the_released_epoch(tmp_path: Path) -> None:
    made = fabricate(tmp_path, source={"epoch": 1})
    made.make(package())
    card = made.run.release.card.read_text()
    assert "| ce | 7.5 | 7.25 |" in card
    assert "17.9" not in card
    assert "model-index" not in card


def test_a_source_without_history_has_a_card_without_metrics(tmp_path: Path) -> None:
    made = fabricate(tmp_path, source={"epoch": None}, history=[])
    made.run.collect.history.unlink()
    made.make(package())
    assert "## Metrics" not in made.run.release.card.read_text()


def validated_samples(made: Fabricated) -> None:
    """Leave a sound with its pictures, as validate does."""
    samples = Samples(made.run.validate.samples)
    sound = np.zeros((1, 400), np.float32)
    samples.add("text1-seed0", "a calm [tune]", sound, 16000, "a calm [tune]", 0)


def test_samples_are_linked_when_asked_for(made: Fabricated) -> None:
    validated_samples(made)
    record = made.make(package(config=PackageConfig(samples=True)))
    assert record.warnings == ()
    own = {path.name: path.read_bytes() for path in made.run.validate.samples.iterdir()}
    assert own == {path.name: path.read_bytes() for path in made.run.release.samples.iterdir()}
    assert own.keys() >= {"text1-seed0.wav", "text1-seed0-mel.png", "samples.json"}


def test_no_list_of_the_reproducible_core_has_a_sample(made: Fabricated) -> None:
    made.make(package())
    before = {name: (made.run.release.root / name).read_bytes() for name in names(made)}
    validated_samples(made)
    made.make(package(config=PackageConfig(samples=True)))
    after = {name: (made.run.release.root / name).read_bytes() for name in before}
    assert {name for name in before if before[name] != after[name]} == {"README.md"}


def test_the_card_has_players_links_and_pictures_of_the_samples(made: Fabricated) -> None:
    validated_samples(made)
    made.make(package(config=PackageConfig(samples=True)))
    card = Card.parse(made.run.release.card.read_bytes())
    assert card.metadata["widget"] == [
        {"text": "a calm [tune]", "output": {"url": "samples/text1-seed0.wav"}}
    ]
    body = card.body.decode()
    assert r"[a calm \[tune\]](samples/text1-seed0.wav) (seed 0, 0.025 s)" in body
    linked = re.findall(r"\]\((samples/.+?)\)", body)
    assert len(linked) == 3 and all((made.run.release.root / name).is_file() for name in linked)


def test_samples_stay_out_when_not_asked_for(made: Fabricated) -> None:
    made.run.validate.samples.mkdir()
    made.make(package())
    assert not made.run.release.samples.exists()


def test_samples_that_nobody_made_are_a_warning(made: Fabricated) -> None:
    record = made.make(package(config=PackageConfig(samples=True)))
    assert record.warnings == ("validate left no samples to package.",)


# The card and its license


def problems(made: Fabricated, card: CardConfig) -> list[str]:
    return [str(problem) for problem in package(card).check(made.context("package"))]


@pytest.mark.parametrize(
    ("card", "says"),
    [
        (CardConfig(license="cc-by-nc"), "'cc-by-nc'"),
        (CardConfig(base_model="/local/model.th"), "card.base_model is no Hub id"),
        (CardConfig(language=["English"]), "'English'"),
        (CardConfig(license="mit", base_model="facebook/musicgen-small"), "mit is laxer"),
        (CardConfig(path="/nowhere/CARD.md"), "card.path names no file"),
    ],
)
def test_a_card_that_the_hub_would_not_take_is_a_problem(
    made: Fabricated, card: CardConfig, says: str
) -> None:
    (problem,) = problems(made, card)
    assert says in problem
    assert len(problem.splitlines()) <= 3


def test_a_card_that_the_hub_takes_is_fine(made: Fabricated) -> None:
    card = CardConfig(license="mit", language=["en", "pt-BR"], base_model="somebody/model")
    assert problems(made, card) == []


def test_a_license_laxer_than_that_of_the_runs_own_parent_is_refused(tmp_path: Path) -> None:
    made = fabricate(tmp_path, source={"base_model": "facebook/musicgen-small"})
    (problem,) = problems(made, CardConfig(license="apache-2.0"))
    assert "apache-2.0 is laxer than cc-by-nc-4.0" in problem
    with pytest.raises(ConfigError, match="laxer"):
        made.make(package(CardConfig(license="apache-2.0")))


def test_a_release_with_a_bundled_codec_inherits_its_license(tmp_path: Path) -> None:
    made = fabricate(tmp_path, codec={**CODEC, "pretrained": "facebook/encodec_32khz"})
    (problem,) = problems(made, CardConfig(license="mit"))
    assert "facebook/encodec_32khz" in problem


def test_without_a_license_the_plan_says_so(made: Fabricated) -> None:
    ctx = made.context("package")
    assert "card.license=ID" in package(CardConfig()).plan(ctx).notes[0]
    assert package(CardConfig(license="mit")).plan(ctx).notes == ()


def own_card(folder: Path, text: str) -> CardConfig:
    path = folder / "MYCARD.md"
    path.write_text(text)
    return CardConfig(path=str(path), license="cc-by-nc-4.0", tags=["jazz"])


def test_an_own_card_is_kept_and_its_metadata_completed(made: Fabricated, tmp_path: Path) -> None:
    body = "\n# Mine\n\n| a | b |\n\n  trailing  \n"
    made.make(package(own_card(tmp_path, f"---\nlicense: other\ntags: [lofi]\n---\n{body}")))
    card = made.run.release.card.read_text()
    assert card.endswith(f"---\n{body}")
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert metadata["license"] == "other"
    assert metadata["library_name"] == "audiocraft"
    assert metadata["tags"] == ["lofi", "musicgen"]


def test_an_own_card_of_the_miniature_is_tagged(tmp_path: Path) -> None:
    made = fabricate(tmp_path, source={"miniature": True})
    made.make(package(own_card(tmp_path, "# Mine\n")))
    metadata = yaml.safe_load(made.run.release.card.read_text().split("---\n")[1])
    assert metadata["tags"] == ["musicgen", "miniature", "jazz"]


def test_the_license_of_an_own_card_counts(tmp_path: Path) -> None:
    made = fabricate(tmp_path, source={"base_model": "facebook/musicgen-small"})
    (problem,) = problems(made, own_card(tmp_path, "---\nlicense: [mit, gemma]\n---\n"))[:1]
    assert "mit is laxer" in problem


def test_an_own_card_with_spoilt_metadata_is_a_problem(made: Fabricated, tmp_path: Path) -> None:
    (problem,) = problems(made, own_card(tmp_path, "---\nlicense: [\n---\n"))
    assert "not valid YAML" in problem


def test_a_misspelt_card_path_gets_the_near_one(made: Fabricated, tmp_path: Path) -> None:
    own_card(tmp_path, "# Mine\n")
    (problem,) = problems(made, CardConfig(path=str(tmp_path / "MYCRD.md")))
    assert f"Did you mean card.path={tmp_path / 'MYCARD.md'}" in problem


# Plan and key


def test_the_plan_tells_later_stages_what_they_must_know(made: Fabricated) -> None:
    made.plans = {"export_lm": Plan("", size=100), "export_compression": Plan("", size=7)}
    plan = package().plan(made.context("package"))
    assert plan.facts == {
        "repo_id": "local/musicgen_small",
        "layout": "two_file",
        "miniature": False,
    }
    assert plan.size == 0
    one_file = package(export=ExportConfig(kind="audiocraft", layout="all_in_one"))
    assert one_file.plan(made.context("package")).size == 107


def test_the_key_follows_the_content_of_an_own_card_and_not_its_path(
    made: Fabricated, tmp_path: Path
) -> None:
    ctx = made.context("package")
    card = own_card(tmp_path, "# Mine\n")
    before = package(card).key(ctx)
    assert str(tmp_path) not in json.dumps(before)
    Path(card.path or "").write_text("# Mine, better\n")
    assert package(card).key(ctx) != before


@pytest.mark.parametrize(
    "changed",
    [
        {"version": "1.0.1"},
        {"repo_id": "me/other"},
        {"config": PackageConfig(samples=True)},
        {"card": CardConfig(title="Another")},
        {"export": ExportConfig(kind="audiocraft", layout="all_in_one")},
    ],
)
def test_what_shapes_the_release_shapes_the_key(made: Fabricated, changed: dict[str, Any]) -> None:
    ctx = made.context("package")
    assert package(**changed).key(ctx) != package().key(ctx)

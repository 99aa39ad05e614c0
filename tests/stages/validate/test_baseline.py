"""A release held against an earlier one."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from pipeline.layout import ReleaseFolder
from pipeline.schema import ExpectConfig, ValidateConfig
from stages.validate import Validate
from stages.validate.baseline import samples
from tests.candidates import Candidate

CARD = """---
license: mit
---
| Metric | Training | Validation |
| --- | ---: | ---: |
| ce | 4.5 | {ce} |
| ppl | 90 | 60.5 |
"""


@pytest.fixture
def earlier(candidate: Candidate, tmp_path: Path) -> Path:
    """The release that the candidate was before."""
    release = ReleaseFolder(tmp_path / "earlier release")
    release.root.mkdir()
    shutil.copy(candidate.run.export_lm.state_dict, release.root)
    shutil.copy(candidate.run.export_compression.compression, release.root)
    release.manifest.write_text(json.dumps({"name": "small", "version": "1.0.0"}))
    release.card.write_text(CARD.format(ce="4"))
    history = [{"train": {"ce": 4.5}, "valid": {"ce": 4.1, "ppl": 61.0}}]
    candidate.run.collect.history.write_text(json.dumps(history))
    candidate.facts["collect"]["epoch"] = 1
    candidate.options["baseline"] = str(release.root)
    return release.root


def rows(candidate: Candidate) -> dict[str, dict[str, Any]]:
    return {n: row for n, row in candidate.report().items() if n.startswith("baseline.")}


def test_without_a_baseline_nothing_is_said_of_one(candidate: Candidate):
    assert rows(candidate) == {}


def test_an_unchanged_model_is_said_to_be_so(candidate: Candidate, earlier: Path):
    found = rows(candidate)
    assert found["baseline.tensors"]["message"] == "all 36 tensors are as before"
    assert "are as before" in found["baseline.config"]["message"]
    assert found["baseline.metrics"]["message"] == "valid ce 4.1, was 4 (+2.50%)"
    assert found["baseline.samples"]["verdict"] == "skipped"
    assert {row["verdict"] for row in found.values()} == {"pass", "skipped"}


def test_a_run_stands_for_its_release(candidate: Candidate, earlier: Path):
    run = earlier.with_name("run")
    run.mkdir()
    earlier.rename(run / "release")
    candidate.options["baseline"] = str(run)
    assert rows(candidate)["baseline.name"]["message"] == "small 1.0.0"


def test_what_changed_is_named_and_measured(candidate: Candidate, earlier: Path):
    def change(package: dict[str, Any]) -> None:
        state = package["best_state"]
        state["linears.1.weight"] *= 1.5
        state["out_norm.bias"][3] += 0.125
        state["emb.0.weight"] = state["emb.0.weight"].half()
        state["new"] = state.pop("out_norm.weight")
        config = OmegaConf.create(package["xp.cfg"])
        config.optim.epochs = 7
        package["xp.cfg"] = OmegaConf.to_yaml(config)

    candidate.spoil(change)
    found = rows(candidate)
    figures = found["baseline.tensors"]["figures"]
    assert (figures["compared"], figures["changed"], figures["gone"], figures["new"]) == (
        *(35, 3, 1, 1),
    )
    assert figures["largest_difference"] == pytest.approx(0.125)
    assert figures["most"][0][0] == "out_norm.bias"
    assert figures["most"][1] == ["linears.1.weight", 0.5]
    assert found["baseline.config"]["figures"]["changed"] == {"optim.epochs": [1, 7]}
    assert "optim.epochs was 1, is 7" in found["baseline.config"]["message"]


@pytest.mark.parametrize(
    ("most", "verdict"), [(None, "pass"), (0.03, "pass"), (0.025, "pass"), (0.02, "fail")]
)
def test_a_metric_that_rose_too_far_fails(candidate: Candidate, earlier: Path, most, verdict):
    candidate.options["max_regression"] = most
    row = rows(candidate)["baseline.metrics"]
    assert row["verdict"] == verdict
    assert row["figures"]["regression"] == pytest.approx(0.025)
    assert row["figures"]["metrics"] == {"ce": [4.0, 4.1], "ppl": [60.5, 61.0]}


def test_a_metric_that_fell_does_not_fail(candidate: Candidate, earlier: Path):
    candidate.options["max_regression"] = 0.0
    (earlier / "README.md").write_text(CARD.format(ce="nan"))
    assert rows(candidate)["baseline.metrics"]["verdict"] == "fail"
    (earlier / "README.md").write_text(CARD.format(ce="5.2"))
    assert rows(candidate)["baseline.metrics"]["verdict"] == "pass"


@pytest.mark.parametrize("card", [None, "no metrics here", CARD.replace("ce |", "other |")])
def test_a_limit_that_nothing_can_be_held_to_fails(candidate: Candidate, earlier: Path, card):
    if card is None:
        (earlier / "README.md").unlink()
    else:
        (earlier / "README.md").write_text(card)
    assert rows(candidate)["baseline.metrics"]["verdict"] == "skipped"
    candidate.options["max_regression"] = 0.5
    row = rows(candidate)["baseline.metrics"]
    assert row["verdict"] == "fail" and "cannot be told" in row["message"]


def test_a_baseline_of_another_name_is_worth_a_warning(candidate: Candidate, earlier: Path):
    (earlier / "release.json").write_text(json.dumps({"name": "large", "version": "2"}))
    row = rows(candidate)["baseline.name"]
    assert row["verdict"] == "warn"
    assert "large 2" in row["message"]


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("release.json", "baseline.name"),
        ("state_dict.bin", "baseline.tensors"),
        ("README.md", "baseline.metrics"),
    ],
)
def test_a_baseline_without_a_file_is_no_fault_of_the_release(
    candidate: Candidate, earlier: Path, name: str, check: str
):
    (earlier / name).unlink()
    row = rows(candidate)[check]
    assert row["verdict"] == "skipped"
    assert name in row["message"]
    assert str(earlier) not in row["message"]


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff"])
def test_a_baseline_that_is_spoilt_is_no_fault_of_the_release(
    candidate: Candidate, earlier: Path, content: bytes
):
    for name in ("release.json", "state_dict.bin"):
        (earlier / name).write_bytes(content)
    found = rows(candidate)
    for check in ("name", "tensors", "config"):
        assert found[f"baseline.{check}"]["verdict"] == "skipped"
    torch.save({"best_state": {}}, earlier / "state_dict.bin")
    assert rows(candidate)["baseline.config"]["verdict"] == "skipped"


def test_sounds_are_compared_by_prompt_seed_and_duration():
    def listing(sha256: str, seed: int = 0) -> dict[str, Any]:
        sample = {"file": "a.wav", "prompt": "a flute", "seed": seed, "seconds": 5.0}
        return {"samples": [sample], "files": {"a.wav": {"size": 9, "sha256": sha256}}}

    assert samples(listing("0"), listing("0")).message == "all 1 sounds are as before"
    assert "others: a.wav" in samples(listing("0"), listing("1")).message
    assert samples(listing("0", 1), listing("0")).verdict == "skipped"


def test_a_baseline_that_leads_nowhere_is_found_before_any_work(candidate: Candidate):
    def problems(**values: Any) -> list[str]:
        config = ValidateConfig(kind="quick", **values)
        stage = Validate(config, ExpectConfig(), False, "cpu", "small")
        return [str(problem) for problem in stage.check(candidate.context)]

    assert problems() == []
    (nowhere,) = problems(baseline="/nowhere/at/all")
    assert "/nowhere/at/all" in nowhere
    assert "validate.baseline=" in problems(max_regression=0.1)[0]
    assert problems(baseline="org/name", max_regression=0.1) == []
    assert "0.02" in problems(baseline="org/name", max_regression=-1)[0]

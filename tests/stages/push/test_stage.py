import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import PushError
from pipeline.schema import CacheConfig, DryRunConfig, ExportConfig, HubConfig
from tests.releases import REFERENCE, Fabricated, fabricate, package, push


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    made = fabricate(tmp_path / "outputs")
    made.make(package())
    return made


def receipt(made: Fabricated) -> list[dict[str, Any]]:
    targets: list[dict[str, Any]] = json.loads(made.run.push.receipt.read_text())["targets"]
    return targets


def problems(made: Fabricated, **changed: Any) -> list[str]:
    return [str(problem) for problem in push(**changed).check(made.context("push"))]


def test_none_needs_no_push(made: Fabricated) -> None:
    nowhere = push(cache=None)
    assert nowhere.plan(made.context("push")).needed is False
    assert nowhere.check(made.context("push")) == []


def test_targets_go_from_harmless_to_public(made: Fabricated) -> None:
    made.make(push(dry_run=DryRunConfig()))
    assert [target["target"] for target in receipt(made)] == ["dry_run", "cache"]
    everything = push(dry_run=DryRunConfig(), hub=HubConfig()).plan(made.context("push"))
    assert everything.summary == "local/musicgen_small: dry_run, cache, hub"


def test_a_dry_run_lists_and_writes_nothing(made: Fabricated) -> None:
    made.make(push(cache=None, dry_run=DryRunConfig()))
    told = "\n".join(made.notes.lines)
    digest = made.records["package"].digests["state_dict.bin"].sha256
    assert "would go to local/musicgen_small (main, v1.0.0, 9370b59c-best-float16-4f1c2a)" in told
    assert f"state_dict.bin                18.0 kB  sha256 {digest[:12]}" in told
    assert len(made.notes.lines) == 6
    assert not made.run.outputs.hub.exists()
    (entry,) = receipt(made)
    assert entry["files"]["state_dict.bin"]["sha256"] == digest


def test_the_receipt_has_no_secret_and_no_time(
    made: Fabricated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    made.make(push())
    (entry,) = receipt(made)
    assert "hf_secret" not in made.run.push.receipt.read_text()
    assert sorted(entry) == [
        "cache_dir",
        "changed",
        "changes",
        "commit",
        "files",
        "load_with",
        "previous",
        "refs",
        "repo_id",
        "target",
    ]


def test_the_miniature_is_kept_from_the_hub(tmp_path: Path) -> None:
    made = fabricate(tmp_path, source={"miniature": True})
    (problem,) = problems(made, cache=None, hub=HubConfig())
    assert "push.allow_miniature=true" in problem
    assert problems(made) == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"repo_id": "musicgen"}, "push.repo_id is not org/name"),
        ({"tag": "v 1"}, "push.tag is no name"),
        ({"revision": "a..b"}, "push.revision is no name"),
        ({"tag": "main"}, "are both 'main'"),
    ],
)
def test_names_that_the_hub_refuses_are_problems(
    made: Fabricated, changed: dict[str, Any], says: str
) -> None:
    (problem,) = problems(made, **changed)
    assert says in problem
    assert len(problem.splitlines()) <= 3


def test_one_file_is_refused_where_it_would_be_loaded_by_id(tmp_path: Path) -> None:
    made = fabricate(tmp_path)
    one_file = package(export=ExportConfig(kind="audiocraft", layout="all_in_one"))
    made.plans["package"] = one_file.plan(made.context("package"))
    (problem,) = problems(made)
    assert "push.allow_all_in_one=true" in problem
    assert problems(made, allow_all_in_one=True) == []
    assert problems(made, cache=None, dry_run=DryRunConfig()) == []
    with pytest.raises(PushError, match="one file"):
        made.make(push())


def test_the_plan_warns_of_ids_that_live_on_the_hub(made: Fabricated) -> None:
    (note,) = push(repo_id="facebook/musicgen-small").plan(made.context("push")).notes
    assert "HF_HUB_OFFLINE=1" in note
    assert push().plan(made.context("push")).notes == ()


def test_the_plan_names_the_second_repository_that_a_reference_needs(tmp_path: Path) -> None:
    made = fabricate(tmp_path, codec=REFERENCE)
    (note,) = push().plan(made.context("push")).notes
    assert "facebook/encodec_32khz" in note
    assert "compression=bundle" in note


def test_a_cache_that_is_a_file_is_a_problem(made: Fabricated, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    for folder in ("taken", "taken/below"):
        (problem,) = problems(made, cache=CacheConfig(dir=str(tmp_path / folder)))
        assert "no folder" in problem
        assert "push.cache.dir=" in problem


def test_the_key_names_the_targets(made: Fabricated) -> None:
    assert push().key(made.context("push"))["targets"] == ["cache"]
    assert push().always

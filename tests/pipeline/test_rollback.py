"""``python -m pipeline.rollback``, as a person types it, against the Hub on the loopback."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import PushError
from pipeline.schema import HubConfig
from tests.command import environment, pipeline
from tests.hub import Hub
from tests.releases import Fabricated, fabricate, package, push

pytestmark = [
    pytest.mark.usefixtures("logged_in"),
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]

REPO = "lab/small"


def pushed(hub: Hub, tmp_path: Path, number: int, **changed: Any) -> Fabricated:
    version = f"1.{number}.0"
    weights = b"language model %d" % number * 1000
    made = fabricate(tmp_path / "out puts 'ü'", variant=f"variant-{number}", weights=weights)
    made.make(package(repo_id=REPO, version=version))
    made.make(
        push(
            cache=None,
            hub=HubConfig(),
            **{
                "endpoint": hub.endpoint,
                "repo_id": REPO,
                "tag": f"v{version}",
                "pr": number == 9,
                **changed,
            },
        )
    )
    return made


def rollback(
    hub: Hub, made: Fabricated, *flags: str, token: str = "write"
) -> subprocess.CompletedProcess[str]:
    env = environment(**hub.environment(token))
    receipt = str(made.run.push.receipt)
    return pipeline(receipt, *flags, cwd=made.run.root, env=env, module="pipeline.rollback")


def files(hub: Hub, revision: str = "main") -> dict[str, str]:
    repo = hub.store.repo(REPO)
    return {path: file.oid for path, file in repo.find(revision).files.items()}


def test_a_push_is_taken_back_by_a_commit_that_sends_nothing(hub: Hub, tmp_path: Path) -> None:
    pushed(hub, tmp_path, 1)
    before, refs = files(hub), hub.store.repo(REPO).refs
    made = pushed(hub, tmp_path, 2)
    pushed_refs = hub.store.repo(REPO).refs
    hub.requests.clear()
    done = rollback(hub, made)
    assert done.returncode == 0, done.stderr
    assert files(hub) == before
    head, below, first, _ = hub.store.repo(REPO).history(hub.store.repo(REPO).find("main"))
    assert (below.oid, first.oid) == (pushed_refs["refs/heads/main"], refs["refs/heads/main"])
    assert head.title == f"Take back {below.oid[:12]}"
    assert not [r for r in hub.requests if r.route.startswith("lfs-upload")]
    # The tag is left, and this is said.
    assert hub.store.repo(REPO).refs["refs/tags/v1.2.0"] == below.oid
    assert f"the tag v1.2.0 still names {below.oid[:12]} (--untag removes it)" in done.stdout
    assert "~ state_dict.bin" in done.stdout
    again = rollback(hub, made)
    assert again.returncode == 0 and "everything is as it was before that push" in again.stdout
    assert hub.store.repo(REPO).find("main").oid == head.oid


def test_the_first_push_leaves_an_empty_repository(hub: Hub, tmp_path: Path) -> None:
    made = pushed(hub, tmp_path, 1)
    assert rollback(hub, made, "--untag").returncode == 0
    assert list(files(hub)) == [".gitattributes"]
    assert list(hub.store.repo(REPO).refs) == ["refs/heads/main"]


def test_the_same_release_can_be_pushed_again_after_it_was_taken_back(
    hub: Hub, tmp_path: Path
) -> None:
    made = pushed(hub, tmp_path, 1)
    before = files(hub)
    rollback(hub, made)
    pushed(hub, tmp_path, 1)
    assert files(hub) == before


def test_what_others_added_since_stays(hub: Hub, tmp_path: Path) -> None:
    made = pushed(hub, tmp_path, 1)
    hub.seed(REPO, {"notes.txt": b"mine"}, author="eve")
    assert rollback(hub, made).returncode == 0
    assert sorted(files(hub)) == [".gitattributes", "notes.txt"]


def test_a_file_that_changed_since_stops_it(hub: Hub, tmp_path: Path) -> None:
    made = pushed(hub, tmp_path, 1)
    edited = hub.seed(REPO, {"README.md": b"---\n---\nby hand"}, author="eve")
    done = rollback(hub, made)
    assert done.returncode == 1
    assert "lab/small has changed since that push: README.md" in done.stderr
    assert edited in done.stderr and len(done.stderr.splitlines()) <= 3
    assert hub.store.repo(REPO).find("main").oid == edited


def test_the_plan_alone_changes_nothing(hub: Hub, tmp_path: Path) -> None:
    made = pushed(hub, tmp_path, 1)
    refs = hub.store.repo(REPO).refs
    done = rollback(hub, made, "--plan-only", "--untag")
    assert done.returncode == 0 and "- state_dict.bin" in done.stdout
    assert hub.store.repo(REPO).refs == refs


def test_programs_are_told_in_json(hub: Hub, tmp_path: Path) -> None:
    made = pushed(hub, tmp_path, 1)
    told = json.loads(rollback(hub, made, "--json").stdout)
    assert told["commit"] == hub.store.repo(REPO).find("main").oid
    assert told["restored"] == [] and "state_dict.bin" in told["deleted"]
    assert told["tag"] == "v1.1.0"


def test_a_lost_answer_does_not_take_it_back_twice(hub: Hub, tmp_path: Path) -> None:
    made = pushed(hub, tmp_path, 1)
    hub.faults.add("commit", lost_reply=True)
    done = rollback(hub, made)
    assert done.returncode == 0, done.stderr
    assert len(list(hub.store.repo(REPO).history(hub.store.repo(REPO).find("main")))) == 3


def test_a_pull_request_is_closed_on_the_hub(hub: Hub, tmp_path: Path) -> None:
    pushed(hub, tmp_path, 1)
    made = pushed(hub, tmp_path, 9)
    done = rollback(hub, made)
    assert done.returncode == 1 and f"{hub.endpoint}/{REPO}/discussions/1" in done.stderr


def test_a_push_that_changed_nothing_still_knows_what_to_take_back(
    hub: Hub, tmp_path: Path
) -> None:
    made = pushed(hub, tmp_path, 1)
    made = pushed(hub, tmp_path, 1)
    assert rollback(hub, made).returncode == 0
    assert list(files(hub)) == [".gitattributes"]


def test_a_push_that_lost_its_tag_and_its_receipt_can_be_taken_back(
    hub: Hub, tmp_path: Path
) -> None:
    hub.faults.add("tag", status=400)
    with pytest.raises(PushError, match="does not name it yet"):
        pushed(hub, tmp_path, 1)
    made = pushed(hub, tmp_path, 1)
    assert rollback(hub, made).returncode == 0
    assert list(files(hub)) == [".gitattributes"]


def test_who_pushes_again_after_somebody_else_can_still_take_it_back(
    hub: Hub, tmp_path: Path
) -> None:
    pushed(hub, tmp_path, 1)
    hub.seed(REPO, {"notes.txt": b"mine"}, author="eve")
    made = pushed(hub, tmp_path, 1)
    made.run.push.receipt.rename(tmp_path / "elsewhere.json")
    made = pushed(hub, tmp_path, 1)
    assert rollback(hub, made).returncode == 0
    assert sorted(files(hub)) == [".gitattributes", "notes.txt"]


def test_a_tag_that_was_moved_goes_back_to_where_it_was(hub: Hub, tmp_path: Path) -> None:
    pushed(hub, tmp_path, 1)
    tagged = hub.store.repo(REPO).refs["refs/tags/v1.1.0"]
    made = pushed(hub, tmp_path, 2, tag="v1.1.0", move_tag=True)
    told = rollback(hub, made).stdout
    assert f"(--untag puts it back to {tagged[:12]})" in told
    done = rollback(hub, made, "--untag")
    assert f"the tag v1.1.0 names {tagged[:12]} again" in done.stdout
    assert hub.store.repo(REPO).refs["refs/tags/v1.1.0"] == tagged


def test_the_token_is_not_sent_to_a_hub_that_only_a_receipt_names(hub: Hub, tmp_path: Path) -> None:
    made = pushed(hub, tmp_path, 1)
    hub.requests.clear()
    env = {**hub.environment("write"), "HF_ENDPOINT": "https://hub.example.org"}
    receipt = str(made.run.push.receipt)
    done = pipeline(receipt, cwd=made.run.root, env=environment(**env), module="pipeline.rollback")
    assert done.returncode == 1 and hub.requests == []
    assert f"HF_ENDPOINT={hub.endpoint} python -m pipeline.rollback" in done.stderr
    assert len(done.stderr.splitlines()) == 3


def test_a_token_that_may_only_read_is_refused(hub: Hub, tmp_path: Path) -> None:
    made = pushed(hub, tmp_path, 1)
    refs = hub.store.repo(REPO).refs
    done = rollback(hub, made, token="read")
    assert done.returncode == 1 and "may not do this" in done.stderr
    assert hub.store.repo(REPO).refs == refs


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot be read"),
        ("{", "no receipt"),
        ('{"format": 2, "targets": []}', "has the format 2"),
        ('{"format": 1, "targets": []}', "nothing was published"),
        ('{"format": 1, "targets": [{"target": "hub", "commit": 1}]}', "no receipt"),
        ("[]", "no receipt"),
    ],
)
def test_what_is_no_receipt_is_said(hub: Hub, tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "receipt.json"
    if text is not None:
        path.write_text(text)
    env = environment(**hub.environment("write"))
    done = pipeline(str(path), cwd=tmp_path, env=env, module="pipeline.rollback")
    assert done.returncode == 1 and says in done.stderr
    assert len(done.stderr.splitlines()) <= 3 and str(path) in done.stderr

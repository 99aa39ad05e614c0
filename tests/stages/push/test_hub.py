"""A push to the Hub, through the unmodified client, as the Hub sees it."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download

from pipeline.errors import PushError
from pipeline.layout import STAGE_JSON
from pipeline.schema import CacheConfig, CardConfig, DryRunConfig, HubConfig, PackageConfig
from stages.common import rollback
from stages.push.kept_card import SIGNED
from stages.validate.samples import Samples
from tests.hub import Hub
from tests.releases import Fabricated, fabricate, package, push

pytestmark = [
    pytest.mark.usefixtures("logged_in"),
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]

REPO = "lab/small"
FILES = ["README.md", "SHA256SUMS", "compression_state_dict.bin", "release.json", "state_dict.bin"]
KNOWN = [".gitattributes", *FILES]


@pytest.fixture
def made(tmp_path: Path) -> Fabricated:
    return released(tmp_path)


def released(tmp_path: Path, number: int = 1, **changed: Any) -> Fabricated:
    """A run up to package; each number has weights of its own."""
    weights = b"language model %d" % number * 1000
    made = fabricate(tmp_path / "outputs", variant=f"variant-{number}", weights=weights)
    made.make(package(repo_id=REPO, **changed))
    return made


def hub_push(hub: Hub, sweep: bool = False, **changed: Any) -> Any:
    target = {"cache": None, "hub": HubConfig(), "endpoint": hub.endpoint, "repo_id": REPO}
    return push(sweep=sweep, **{**target, **changed})


def entry(made: Fabricated) -> dict[str, Any]:
    found = json.loads(made.run.push.receipt.read_text())["targets"]
    return {**next(target for target in found if target["target"] == "hub")}


def asked(hub: Hub, *routes: str) -> int:
    return sum(request.route in routes for request in hub.requests)


def commits(hub: Hub, revision: str = "main") -> list[str]:
    repo = hub.store.repo(REPO)
    return [commit.oid for commit in repo.history(repo.find(revision))]


def paths(hub: Hub, revision: str = "main") -> list[str]:
    return sorted(hub.store.repo(REPO).find(revision).files)


def content(hub: Hub, path: str, revision: str = "main") -> bytes:
    repo = hub.store.repo(REPO)
    return repo.content(repo.find(revision).files[path]).read_bytes()


def edit(hub: Hub, path: str, text: bytes) -> str:
    return hub.seed(REPO, {path: text}, author="eve")


def test_samples_are_sent_where_the_card_links_to_them(hub: Hub, tmp_path: Path) -> None:
    made = fabricate(tmp_path / "outputs")
    samples = Samples(made.run.validate.samples)
    samples.add("text1-seed0", "rain", np.zeros((1, 400), np.float32), 16000, "rain", 0)
    made.make(package(repo_id=REPO, config=PackageConfig(samples=True)))
    made.make(hub_push(hub))
    body = content(hub, "README.md").decode()
    linked = re.findall(r"\]\((samples/.+?)\)", body) + re.findall(r"url: (samples/.+)", body)
    assert len(linked) == 4 and set(linked) <= set(paths(hub))
    assert b"samples/" not in content(hub, "SHA256SUMS")


def test_the_first_push_makes_a_private_repository_with_one_commit_and_its_tag(
    hub: Hub, made: Fabricated, tmp_path: Path
) -> None:
    made.make(hub_push(hub))
    repo = hub.store.repo(REPO)
    assert repo.settings["private"] is True
    newest, first = commits(hub)
    assert repo.refs == {"refs/heads/main": newest, "refs/tags/v1.0.0": newest}
    assert paths(hub) == KNOWN
    for name in FILES:
        assert content(hub, name) == (made.run.release.root / name).read_bytes()
    made_commit = repo.find("main")
    assert (made_commit.title, made_commit.author) == ("Release musicgen_small 1.0.0", "ada")
    told = entry(made)
    assert (told["parent"], told["commit"], told["tag"]) == (first, newest, "v1.0.0")
    assert told["url"] == f"{hub.endpoint}/{REPO}/tree/v1.0.0"
    assert sorted(told["files"]) == FILES
    digest = made.records["package"].digests["state_dict.bin"]
    assert told["files"]["state_dict.bin"] == {"size": digest.size, "sha256": digest.sha256}
    assert told["files"]["README.md"]["git_blob"] == repo.find("main").files["README.md"].oid
    assert str(made.run.push.receipt) in told["rollback"]


def test_what_was_pushed_is_what_clients_download(
    hub: Hub, made: Fabricated, tmp_path: Path
) -> None:
    made.make(hub_push(hub))
    settings = {"cache_dir": tmp_path / "cache", "endpoint": hub.endpoint, "revision": "v1.0.0"}
    one = Path(hf_hub_download(REPO, "state_dict.bin", **settings))
    assert one.read_bytes() == (made.run.release.root / "state_dict.bin").read_bytes()
    everything = Path(snapshot_download(REPO, **settings))
    for name in FILES:
        assert (everything / name).read_bytes() == (made.run.release.root / name).read_bytes()


def test_an_unchanged_push_makes_no_commit_and_says_so(hub: Hub, made: Fabricated) -> None:
    made.make(hub_push(hub))
    first = entry(made)
    hub.requests.clear()
    made.notes.lines.clear()
    made.make(hub_push(hub))
    assert asked(hub, "commit", "preupload", "lfs-batch", "lfs-upload", "tag", "create-repo") == 0
    assert f"hub: unchanged at {first['commit'][:12]} (main)" in made.notes.lines
    again = entry(made)
    assert again["changed"] is False
    # How to undo it is not forgotten.
    assert (again["parent"], again["changes"]) == (first["parent"], first["changes"])


def test_a_changed_file_is_one_commit_and_one_upload(hub: Hub, tmp_path: Path) -> None:
    released(tmp_path, 1).make(hub_push(hub))
    hub.requests.clear()
    made = released(tmp_path, 2, version="1.1.0")
    made.make(hub_push(hub, tag="v1.1.0"))
    assert asked(hub, "commit") == 1 and len(commits(hub)) == 3
    assert asked(hub, "lfs-upload") == 1
    trees = [request.path for request in hub.requests if request.route == "tree"]
    assert trees and len(trees) == len(set(trees))  # the Hub counts questions
    assert entry(made)["changes"] == {
        "added": [],
        "changed": ["README.md", "SHA256SUMS", "release.json", "state_dict.bin"],
        "deleted": [],
        "same": ["compression_state_dict.bin"],
    }
    refs = hub.store.repo(REPO).refs
    assert refs["refs/tags/v1.0.0"] == commits(hub)[1]
    assert refs["refs/tags/v1.1.0"] == commits(hub)[0]
    told = "\n".join(made.notes.lines)
    assert "4 of 5 files are new or changed" in told and "  = compression_state_dict.bin" in told


def test_a_tag_that_names_another_release_is_refused_before_anything_is_sent(
    hub: Hub, tmp_path: Path
) -> None:
    released(tmp_path, 1).make(hub_push(hub))
    before = hub.store.repo(REPO).refs
    hub.requests.clear()
    other = released(tmp_path, 2)
    with pytest.raises(PushError, match=r"v1\.0\.0 names another release") as error:
        other.make(hub_push(hub))
    assert "push.move_tag=true" in str(error.value) and "version=" in str(error.value)
    assert before["refs/tags/v1.0.0"] in str(error.value)
    assert asked(hub, "commit", "preupload", "lfs-batch") == 0
    assert hub.store.repo(REPO).refs == before
    other.make(hub_push(hub, move_tag=True))
    newest = commits(hub)[0]
    assert hub.store.repo(REPO).refs == {"refs/heads/main": newest, "refs/tags/v1.0.0": newest}


def test_a_tag_that_is_refused_leaves_no_branch(hub: Hub, tmp_path: Path) -> None:
    released(tmp_path, 1).make(hub_push(hub))
    with pytest.raises(PushError, match="names another release"):
        released(tmp_path, 2).make(hub_push(hub, revision="next"))
    assert sorted(hub.store.repo(REPO).refs) == ["refs/heads/main", "refs/tags/v1.0.0"]


def test_a_tag_that_somebody_takes_meanwhile_is_not_said_to_be_ours(
    hub: Hub, tmp_path: Path
) -> None:
    released(tmp_path, 1).make(hub_push(hub))
    old = commits(hub)[0]

    def take(hub: Hub) -> None:
        hub.store.repo(REPO).set_ref("refs/tags/v2.0.0", old)

    hub.faults.add("commit", afterwards=take)
    with pytest.raises(PushError, match=r"tag v2\.0\.0 names another release already"):
        released(tmp_path, 2).make(hub_push(hub, tag="v2.0.0"))
    assert hub.store.repo(REPO).refs["refs/tags/v2.0.0"] == old


@pytest.mark.parametrize("theirs", ["notes.md", "README.md"])
def test_a_commit_whose_answer_is_lost_is_found_below_somebody_else_s(
    hub: Hub, made: Fabricated, theirs: str
) -> None:
    hub.seed(REPO, {})
    hub.faults.add(
        "commit", lost_reply=True, afterwards=lambda hub: edit(hub, theirs, b"---\n---\nhers")
    )
    made.make(hub_push(hub))
    newest, ours, *_ = commits(hub)
    assert hub.store.repo(REPO).commit(newest).author == "eve"
    assert (entry(made)["commit"], entry(made)["tag"]) == (ours, "v1.0.0")
    assert hub.store.repo(REPO).refs["refs/tags/v1.0.0"] == ours


def test_a_branch_is_made_when_it_is_missing_and_main_stays(hub: Hub, tmp_path: Path) -> None:
    released(tmp_path, 1).make(hub_push(hub))
    main = commits(hub)
    made = released(tmp_path, 2)
    made.make(hub_push(hub, revision="experiments/two", tag=None))
    assert commits(hub) == main
    assert commits(hub, "experiments/two")[1:] == main
    assert entry(made)["url"].endswith("/tree/experiments/two")


def test_a_sweep_moves_neither_main_nor_a_tag(hub: Hub, made: Fabricated) -> None:
    made.make(hub_push(hub, sweep=True))
    repo = hub.store.repo(REPO)
    assert sorted(repo.refs) == ["refs/heads/main", "refs/heads/variant-1"]
    assert paths(hub) == [".gitattributes"] and paths(hub, "variant-1") == KNOWN


def test_a_pull_request_changes_nothing_and_is_not_opened_twice(hub: Hub, tmp_path: Path) -> None:
    released(tmp_path, 1).make(hub_push(hub))
    before = hub.store.repo(REPO).refs
    made = released(tmp_path, 2)
    for _ in range(2):
        made.make(hub_push(hub, pr=True))
        refs = hub.store.repo(REPO).refs
        assert refs == {**before, "refs/pr/1": refs["refs/pr/1"]}
        told = entry(made)
        assert (told["pull_request"], told["tag"]) == (1, None)
        assert told["commit"] == refs["refs/pr/1"]
        assert told["url"] == f"{hub.endpoint}/{REPO}/discussions/1"
    assert content(hub, "state_dict.bin", "refs/pr/1").startswith(b"language model 2")
    assert "unchanged: proposed in" in "\n".join(made.notes.lines)


def test_a_closed_pull_request_is_opened_anew(hub: Hub, tmp_path: Path) -> None:
    released(tmp_path, 1).make(hub_push(hub))
    made = released(tmp_path, 2)
    made.make(hub_push(hub, pr=True))
    hub.store.repo(REPO).change_settings(closed=[1])
    made.make(hub_push(hub, pr=True))
    assert entry(made)["pull_request"] == 2


def test_a_sweep_proposes_to_main_and_makes_no_branch(hub: Hub, tmp_path: Path) -> None:
    released(tmp_path, 1).make(hub_push(hub))
    released(tmp_path, 2).make(hub_push(hub, pr=True, sweep=True))
    refs = ["refs/heads/main", "refs/pr/1", "refs/tags/v1.0.0"]
    assert sorted(hub.store.repo(REPO).refs) == refs


def test_the_signature_of_an_earlier_release_goes_with_it(hub: Hub, tmp_path: Path) -> None:
    made = released(tmp_path, 1)
    made.make(hub_push(hub))
    edit(hub, "SHA256SUMS.sig", b"signed")
    made.make(hub_push(hub, delete_stale=True))
    assert "SHA256SUMS.sig" in paths(hub)
    released(tmp_path, 2, version="1.1.0").make(hub_push(hub, tag="v1.1.0"))
    assert paths(hub) == KNOWN


def test_an_address_may_end_with_a_slash(hub: Hub, made: Fabricated) -> None:
    made.make(hub_push(hub, endpoint=f"{hub.endpoint}/"))
    assert entry(made)["url"] == f"{hub.endpoint}/{REPO}/tree/v1.0.0"


def test_somebody_without_rights_may_propose(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released(tmp_path, 1).make(hub_push(hub, private=False))
    monkeypatch.setenv("HF_TOKEN", hub.tokens["outsider"])
    made = released(tmp_path, 2)
    (problem,) = hub_push(hub).check(made.context("push"))
    assert "push.pr=true" in str(problem)
    stage = hub_push(hub, pr=True)
    assert stage.check(made.context("push")) == []
    made.make(stage)
    repo = hub.store.repo(REPO)
    assert repo.find("refs/pr/1").author == "eve"


def test_strangers_are_left_alone_and_deleted_on_request(hub: Hub, made: Fabricated) -> None:
    hub.seed(REPO, {"notes.txt": b"mine", "old.bin": b"\0weights"})
    made.make(hub_push(hub))
    assert paths(hub) == sorted([*KNOWN, "notes.txt", "old.bin"])
    assert "push.delete_stale=true deletes): notes.txt, old.bin" in "\n".join(made.notes.lines)
    made.make(hub_push(hub, delete_stale=True, move_tag=True))
    assert paths(hub) == KNOWN
    assert entry(made)["changes"]["deleted"] == ["notes.txt", "old.bin"]


def test_an_edited_card_is_kept_but_for_our_metadata_and_parts(hub: Hub, tmp_path: Path) -> None:
    released(tmp_path, 1).make(hub_push(hub))
    card = content(hub, "README.md").decode()
    assert card.count("license: cc-by-nc-4.0") == 1
    mine = card.replace("license: cc-by-nc-4.0\n", "license: cc-by-nc-4.0\nthumbnail: x.png\n")
    mine = mine.replace("tags:\n", "tags:\n- jazz\n").replace("Version 1.0.0", "Old words")
    mine += "\n## Written by hand\n\nListen to the samples.\n"
    edit(hub, "README.md", mine.encode())
    made = released(tmp_path, 2, version="1.1.0", card=CardConfig(license="other", language=["en"]))
    made.make(hub_push(hub, tag="v1.1.0"))
    text = content(hub, "README.md").decode()
    head, _, body = text.removeprefix("---\n").partition("\n---\n")
    assert "license: other" in head and "thumbnail: x.png" in head and "- en" in head
    assert head.count("- jazz") == head.count("- musicgen") == 1
    assert "Old words" not in body and "Version 1.1.0" in body
    assert body.endswith("\n## Written by hand\n\nListen to the samples.\n")
    told = entry(made)
    assert told["files"]["README.md"]["size"] == len(text.encode())
    assert made.run.push.card.read_text() == text
    assert "the card was edited there and is kept" in "\n".join(made.notes.lines)
    # Nothing new: no commit. Something new: the words by hand stay.
    made.make(hub_push(hub, tag="v1.1.0"))
    assert entry(made)["changed"] is False and content(hub, "README.md").decode() == text
    released(tmp_path, 3, version="1.2.0").make(hub_push(hub, tag="v1.2.0"))
    assert content(hub, "README.md").endswith(b"## Written by hand\n\nListen to the samples.\n")
    assert b"Version 1.2.0" in content(hub, "README.md")


def test_an_edited_card_does_not_keep_a_tag_from_its_release(hub: Hub, made: Fabricated) -> None:
    made.make(hub_push(hub))
    tagged = hub.store.repo(REPO).refs["refs/tags/v1.0.0"]
    edit(hub, "README.md", content(hub, "README.md") + b"\nBy hand.\n")
    made.make(hub_push(hub))
    assert hub.store.repo(REPO).refs["refs/tags/v1.0.0"] == tagged
    assert content(hub, "README.md").endswith(b"\nBy hand.\n")
    assert entry(made)["changed"] is False


def test_a_card_that_a_rollback_brought_back_is_ours(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released(tmp_path, 1).make(hub_push(hub))
    second = released(tmp_path, 2, version="1.1.0")
    second.make(hub_push(hub, tag="v1.1.0"))
    with monkeypatch.context() as patched:
        patched.setattr(constants, "ENDPOINT", hub.endpoint)
        taken = rollback.plan(second.run.push.receipt)
    taken.apply()
    made = released(tmp_path, 3, version="1.2.0", card=CardConfig(title="Another"))
    made.make(hub_push(hub, tag="v1.2.0"))
    assert content(hub, "README.md") == made.run.release.card.read_bytes()


def test_a_card_that_was_never_ours_keeps_its_text(hub: Hub, made: Fabricated) -> None:
    hub.seed(REPO, {"README.md": b"---\ntags: [jazz]\n---\n# My model\n"})
    made.make(hub_push(hub))
    text = content(hub, "README.md").decode()
    assert text.endswith("---\n# My model\n") and "license: cc-by-nc-4.0" in text
    assert "- jazz" in text and "- musicgen" in text


def test_a_card_that_nobody_edited_is_replaced(hub: Hub, tmp_path: Path) -> None:
    released(tmp_path, 1).make(hub_push(hub))
    made = released(tmp_path, 2, version="2.0.0", card=CardConfig(license="mit", title="Another"))
    made.make(hub_push(hub, tag="v2.0.0"))
    assert content(hub, "README.md") == made.run.release.card.read_bytes()
    assert not made.run.push.card.exists()


def test_a_card_on_the_hub_that_cannot_be_read_stops_the_push(hub: Hub, made: Fabricated) -> None:
    hub.seed(REPO, {"README.md": b"---\nlicense: [\n---\n"})
    before = hub.store.repo(REPO).refs
    with pytest.raises(PushError, match="card on the Hub cannot be read"):
        made.make(hub_push(hub))
    assert hub.store.repo(REPO).refs == before


def test_access_is_gated_when_asked(hub: Hub, made: Fabricated) -> None:
    made.make(hub_push(hub, gated="manual"))
    assert hub.store.repo(REPO).settings["gated"] == "manual"
    made.make(hub_push(hub))
    assert hub.store.repo(REPO).settings["gated"] == "manual"
    made.make(hub_push(hub, gated="off"))
    assert hub.store.repo(REPO).settings["gated"] is False


def test_a_repository_that_is_there_stays_as_public_as_it_is(hub: Hub, made: Fabricated) -> None:
    hub.seed(REPO, {})
    assert hub.store.repo(REPO).settings["private"] is False
    stage = hub_push(hub)
    assert stage.check(made.context("push")) == []
    (note,) = stage.plan(made.context("push")).notes
    assert f"{REPO} is there, public" in note
    made.make(stage)
    assert hub.store.repo(REPO).settings["private"] is False


def test_the_cache_and_the_hub_take_the_same_release_in_order(
    hub: Hub, made: Fabricated, tmp_path: Path
) -> None:
    made.make(hub_push(hub, cache=CacheConfig(dir=str(tmp_path / "cache"))))
    targets = json.loads(made.run.push.receipt.read_text())["targets"]
    assert [target["target"] for target in targets] == ["cache", "hub"]
    for name, digest in targets[0]["files"].items():
        assert targets[1]["files"][name]["sha256"] == digest["sha256"]


def test_a_receipt_keeps_what_was_published_elsewhere(
    hub: Hub, made: Fabricated, tmp_path: Path
) -> None:
    cache = CacheConfig(dir=str(tmp_path / "cache"))
    made.make(hub_push(hub))
    first = entry(made)
    made.make(push(cache=cache, repo_id=REPO))
    made.make(push(cache=None, dry_run=DryRunConfig(), repo_id=REPO))
    targets = json.loads(made.run.push.receipt.read_text())["targets"]
    assert [target["target"] for target in targets] == ["dry_run", "cache", "hub"]
    assert entry(made) == first


def test_what_was_published_has_a_receipt_although_the_next_target_fails(
    hub: Hub, made: Fabricated, tmp_path: Path
) -> None:
    hub.faults.add("commit", status=400)
    with pytest.raises(PushError):
        made.make(hub_push(hub, cache=CacheConfig(dir=str(tmp_path / "cache"))))
    targets = json.loads(made.run.push.receipt.read_text())["targets"]
    assert [target["target"] for target in targets] == ["cache"]


def test_where_a_moved_tag_was_is_not_forgotten(hub: Hub, tmp_path: Path) -> None:
    released(tmp_path, 1).make(hub_push(hub))
    tagged = hub.store.repo(REPO).refs["refs/tags/v1.0.0"]
    made = released(tmp_path, 2)
    for _ in range(2):
        made.make(hub_push(hub, move_tag=True))
        assert entry(made)["tag_was"] == tagged


def test_a_tag_that_is_called_like_a_branch_is_a_problem_beforehand(
    hub: Hub, made: Fabricated
) -> None:
    hub.seed(REPO, {})
    hub.store.repo(REPO).set_ref("refs/heads/dev", commits(hub)[0])
    (problem,) = hub_push(hub, tag="dev").check(made.context("push"))
    assert "push.tag=dev is the name of a branch" in str(problem)


def test_the_plan_says_what_will_be_made(hub: Hub, made: Fabricated) -> None:
    stage = hub_push(hub)
    assert stage.check(made.context("push")) == []
    assert stage.plan(made.context("push")).notes == (
        "hub: lab/small will be made, private (push.private=false makes it public)",
    )
    assert not hub.store.repo(REPO).exists


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"repo_id": "eve/small"}, "push.repo_id=ada/small"),
        ({"repo_id": "nobody-at-all/small"}, "You are ada, and may use: ada, lab"),
        ({"pr": True}, "There is no repository lab/small to propose a change to"),
        ({"pr": True, "revision": "next"}, "A pull request goes to main"),
        ({"pr": True, "gated": "auto"}, "A pull request changes no settings"),
        ({"gated": "perhaps"}, "push.gated is none of auto, manual, off"),
        ({"endpoint": "https://me:secret@huggingface.co"}, "holds a name or a password"),
        ({"endpoint": "huggingface.co"}, "push.endpoint is no address"),
        ({"endpoint": "http://127.0.0.1:9"}, "cannot be reached"),
    ],
)
def test_what_the_hub_would_refuse_is_a_problem_beforehand(
    hub: Hub, made: Fabricated, changed: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.common.hub.patience.FIRST_PAUSE", 0.01)
    (problem,) = hub_push(hub, **changed).check(made.context("push"))
    assert says in str(problem)
    assert len(str(problem).splitlines()) <= 3


@pytest.mark.parametrize(
    ("token", "says"),
    [
        (None, "There is no Hub token"),
        ("hf_nobody", "does not accept the token"),
        ("read", "may only read"),
        ("fine-grained", "may not make repositories of lab"),
        ("outsider", "'lab' is not yours"),
    ],
)
def test_a_token_that_cannot_do_it_is_a_problem_beforehand(
    hub: Hub, made: Fabricated, token: str | None, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/dev/null")
    if token is None:
        monkeypatch.delenv("HF_TOKEN")
    else:
        monkeypatch.setenv("HF_TOKEN", hub.tokens.get(token, token))
    (problem,) = hub_push(hub).check(made.context("push"))
    assert says in str(problem)
    assert "hf_" not in str(problem).replace("hf auth login", "")


def test_a_fine_grained_token_of_the_repository_may_push_to_it(
    hub: Hub, made: Fabricated, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.seed(REPO, {})
    monkeypatch.setenv("HF_TOKEN", hub.tokens["fine-grained"])
    stage = hub_push(hub)
    assert stage.check(made.context("push")) == []
    made.make(stage)
    assert paths(hub) == KNOWN


def test_metadata_that_the_hub_refuses_is_a_problem_beforehand(hub: Hub, made: Fabricated) -> None:
    record = made.records["package"]
    local = {"metadata": "license: My License\n"}
    made.records["package"] = replace(record, local=local)
    (problem,) = hub_push(hub).check(made.context("push"))
    assert "does not take the card's metadata" in str(problem) and "My License" in str(problem)


def test_the_commit_is_signed_so_that_the_next_push_knows_it(hub: Hub, made: Fabricated) -> None:
    made.make(hub_push(hub, message="A title of my own"))
    commit = hub.store.repo(REPO).find("main")
    assert (commit.title, commit.message) == ("A title of my own", SIGNED)


def test_only_what_belongs_to_a_release_is_sent(hub: Hub, made: Fabricated) -> None:
    for name in (".gitignore", ".env", "notes.txt"):
        (made.run.release.root / name).write_text("*.bin\n")
    made.make(hub_push(hub))
    assert paths(hub) == KNOWN
    assert STAGE_JSON not in paths(hub)


def test_the_client_of_the_test_is_the_real_one() -> None:
    assert HfApi.create_commit.__module__ == "huggingface_hub.hf_api"

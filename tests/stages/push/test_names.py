import pytest
from huggingface_hub.utils import HFValidationError, validate_repo_id
from hypothesis import given
from hypothesis import strategies as st

from stages.push.names import bad_repo_id, bad_revision

parts = st.text("ab9._-é /", min_size=0, max_size=8)


@given(parts, parts)
def test_what_we_allow_the_hubs_client_allows(owner: str, name: str) -> None:
    repo_id = f"{owner}/{name}"
    try:
        validate_repo_id(repo_id)
        allowed = True
    except HFValidationError:
        allowed = False
    if bad_repo_id(repo_id) is None:
        assert allowed
    elif allowed:
        # The client takes '.a/b' for lack of a check at the start of the owner, and an old one 'é'.
        edges = not owner or owner[0] in "-." or owner[-1] in "-." or name[0] in "-."
        assert edges or not repo_id.isascii()


@pytest.mark.parametrize("repo_id", ["local/musicgen_small", "a/b", "my-org/My.Model-2"])
def test_good_ids(repo_id: str) -> None:
    assert bad_repo_id(repo_id) is None


@pytest.mark.parametrize(
    "repo_id",
    ["musicgen", "a/b/c", "", "/b", "a/", "-a/b", "a/b.", "a/b--c", "a/b..c", "a/b.git", "a/ü"]
    + ["a/" + "x" * 97, "a /b"],
)
def test_bad_ids_show_the_form_that_works(repo_id: str) -> None:
    problem = bad_repo_id(repo_id)
    assert problem is not None
    assert repr(repo_id) in problem.what
    assert problem.hint.endswith("push.repo_id=my-org/my-model")


@pytest.mark.parametrize(
    ("repo_id", "rule"),
    [("a/b.", "at either end"), ("a/" + "x" * 97, "1 to 96"), ("a/b--c", "neither '--'")]
    + [("a/b.git", "end in '.git'"), ("a/ü", "letters, digits")],
)
def test_a_bad_id_is_told_the_rule_that_it_breaks(repo_id: str, rule: str) -> None:
    problem = bad_repo_id(repo_id)
    assert problem is not None and rule in problem.where


@pytest.mark.parametrize("name", ["main", "v1.0.0", "1.0.0+build", "a/b", "v1_2"])
def test_good_revisions(name: str) -> None:
    assert bad_revision("push.tag", name) is None


@pytest.mark.parametrize(
    "name", ["", "v1 0", "../x", "a..b", "/a", "a/", "v1.", "v1.lock", "-a", "refs/pr/1", "v1\n"]
)
def test_bad_revisions_are_named(name: str) -> None:
    problem = bad_revision("push.tag", name)
    assert problem is not None
    assert repr(name) in problem.what
    assert problem.hint == "For example: push.tag=v1.0.0"


def test_a_revision_must_not_read_like_a_commit() -> None:
    problem = bad_revision("push.revision", "ab" * 20)
    assert problem is not None
    assert "commit" in problem.what

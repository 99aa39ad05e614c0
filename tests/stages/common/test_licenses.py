import pytest

from stages.common import licenses


def test_an_id_of_the_hub_is_fine() -> None:
    assert licenses.misspelt("cc-by-nc-4.0") is None
    assert licenses.misspelt("other") is None


def test_a_misspelt_id_gets_the_near_ones() -> None:
    problem = licenses.misspelt("CC-BY-NC-4")
    assert problem is not None
    assert "'CC-BY-NC-4'" in problem.what
    assert "cc-by-nc-4.0" in problem.where
    assert "card.license=cc-by-nc-" in problem.hint


def test_an_id_near_nothing_still_gets_a_remedy() -> None:
    problem = licenses.misspelt("§§§")
    assert problem is not None
    assert "card.license=cc-by-nc-4.0" in problem.hint


@pytest.mark.parametrize("license_id", ["mit", "apache-2.0", "cc-by-4.0", "openrail", "unknown"])
def test_a_license_laxer_than_the_parents_names_both(license_id: str) -> None:
    problem = licenses.laxer(license_id, ["facebook/musicgen-small"])
    assert problem is not None
    assert license_id in problem.what
    assert "cc-by-nc-4.0, the license of facebook/musicgen-small" in problem.what
    assert problem.hint.endswith("card.license=cc-by-nc-4.0")


@pytest.mark.parametrize("license_id", ["cc-by-nc-4.0", "cc-by-nc-sa-4.0", "other"])
def test_a_license_as_strict_as_the_parents_passes(license_id: str) -> None:
    assert licenses.laxer(license_id, ["facebook/musicgen-small"]) is None


def test_an_unknown_parent_decides_nothing() -> None:
    assert licenses.laxer("mit", ["somebody/model"]) is None
    assert licenses.default_license(["somebody/model"]) is None


def test_the_default_is_the_first_known_parents() -> None:
    assert licenses.default_license(["somebody/model", "facebook/x"]) == "cc-by-nc-4.0"
    assert licenses.default_license([]) is None

import sys
from pathlib import Path

import pytest

from stages.train.packages import locate, problem_with
from tests.toy import write_toy


def test_a_package_in_the_working_directory_is_found(tmp_path):
    write_toy(tmp_path)
    assert problem_with("toy", tmp_path) is None


def test_a_nested_package_is_found_without_running_its_parents(tmp_path):
    write_toy(tmp_path, "outer.inner")
    (tmp_path / "outer/__init__.py").write_text("raise RuntimeError('imported')")
    assert problem_with("outer.inner", tmp_path) is None
    assert "outer" not in sys.modules


def test_an_installed_package_is_found(tmp_path):
    assert locate("hydra.core", [str(tmp_path), *sys.path]) is not None


def test_a_package_that_only_its_own_finder_knows_is_found(tmp_path, monkeypatch):
    package = write_toy(tmp_path, "editable")

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            from importlib.util import spec_from_file_location

            if name != "editable":
                return None
            places = [str(package)]
            return spec_from_file_location(
                name, package / "__init__.py", submodule_search_locations=places
            )

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert problem_with("editable", tmp_path / "empty") is None


@pytest.mark.parametrize(
    ("asked", "hint"),
    [("toyy", "Did you mean toy?"), ("outer.iner", "Did you mean outer.inner?"),
     ("zzzzqqqq", "Install it, start where its folder is, or name its environment's interpreter:"
     " checkpoint.python=PATH")],
)  # fmt: skip
def test_a_misspelt_package_gets_a_near_name(tmp_path, asked, hint):
    write_toy(tmp_path)
    write_toy(tmp_path, "outer.inner")
    problem = problem_with(asked, tmp_path)
    assert problem is not None
    assert problem.what == f"There is no Python package {asked}."
    assert problem.hint == hint


def test_a_package_without_a_train_module_is_refused(tmp_path):
    problem = problem_with("hydra", tmp_path)
    assert problem is not None and "no train module" in problem.what


@pytest.mark.parametrize("name", ["", "a b", "a..b", "../a", "a/b", "a.py-"])
def test_what_is_no_name_at_all_is_refused(name):
    problem = problem_with(name, Path.cwd())
    assert problem is not None and "is not the name" in problem.what

"""Finding a training package without running any of its code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules

from pipeline.stage import Problem

WHERE = "checkpoint.package"


def locate(name: str, search: Sequence[str] | None) -> ModuleSpec | None:
    """Find a module in ``search``, or among all that can be imported.

    ``find_spec`` alone imports the parents of a dotted name, and importing a training package takes
    seconds; so each level is looked up in the folders of the one above.
    """
    spec: ModuleSpec | None = None
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        module = ".".join(parts[:depth])
        spec = PathFinder.find_spec(module, search)
        if spec is None and depth == 1:
            spec = find_spec(module)  # editable installs have finders of their own
        if spec is None:
            return None
        search = list(spec.submodule_search_locations or [])
    return spec


def problem_with(package: str, folder: Path) -> Problem | None:
    """Tell why Dora could not run ``package`` from ``folder``; ``None`` when it could."""
    if not all(part.isidentifier() for part in package.split(".")):
        what = f"{package!r} is not the name of a Python package."
        return Problem(what, WHERE, "Name the package that holds train.py: audiocraft")
    search = [str(folder), *sys.path]
    parent, _, _ = package.rpartition(".")
    if locate(package, search) is None:
        inside = locate(parent, search) if parent else None
        around = list(inside.submodule_search_locations or []) if inside else search
        names = [f"{parent}.{m.name}" if parent else m.name for m in iter_modules(around)]
        near = get_close_matches(package, names, n=1)
        what = f"There is no Python package {package}."
        hint = f"Did you mean {near[0]}?" if near else "Install it, or start where its folder is."
        return Problem(what, f"{WHERE}, looked for in {folder} and the installed packages", hint)
    if locate(f"{package}.train", search) is None:
        what = f"{package} has no train module, so Dora cannot run it."
        return Problem(what, WHERE, "Name the package that holds train.py.")
    return None

"""Finding a training package without running any of its code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules

from pipeline.stage import Problem

WHERE = "checkpoint.package"
_ASK = """
import importlib.util, json, sys
sys.path[0] = sys.argv[1]
found = importlib.util.find_spec(sys.argv[2])
places = list(found.submodule_search_locations or []) if found else []
print(json.dumps({"path": sys.path, "places": places}))
"""


@dataclass(frozen=True)
class Search:
    """Where an interpreter looks for packages.

    Attributes:
        path: its folders, in order.
        own: whether it is the one that runs us, whose other finders can be asked as well.
    """

    path: tuple[str, ...]
    own: bool = True

    @classmethod
    def of(cls, python: Path, folder: Path, package: str) -> Search:
        """Ask an interpreter where it would look, started in ``folder``, for ``package``.

        Raises:
            OSError: when it cannot be run.
            ValueError: when what runs is no Python 3.
        """
        if python == Path(sys.executable):
            return cls((str(folder), *sys.path))
        command = [str(python), "-c", _ASK, str(folder), package.partition(".")[0]]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        answer = json.loads(done.stdout or "null")
        if done.returncode or not isinstance(answer, dict):
            raise ValueError(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])
        # Editable installs have finders of their own, which only that interpreter can ask.
        around = (str(Path(place).parent) for place in answer["places"])
        return cls((*answer["path"], *around), own=False)


def locate(name: str, search: Sequence[str] | None, own: bool = True) -> ModuleSpec | None:
    """Find a module in ``search``, or, where ``own``, among all that can be imported here.

    ``find_spec`` alone imports the parents of a dotted name, and importing a training package takes
    seconds; so each level is looked up in the folders of the one above.
    """
    spec: ModuleSpec | None = None
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        module = ".".join(parts[:depth])
        spec = PathFinder.find_spec(module, search)
        if spec is None and depth == 1 and own:
            spec = find_spec(module)  # editable installs have finders of their own
        if spec is None:
            return None
        search = list(spec.submodule_search_locations or [])
    return spec


def problem_with(package: str, folder: Path, python: Path = Path(sys.executable)) -> Problem | None:
    """Tell why ``python`` could not run ``package`` from ``folder``; ``None`` when it could."""
    if not all(part.isidentifier() for part in package.split(".")):
        what = f"{package!r} is not the name of a Python package."
        return Problem(what, WHERE, "Name the package that holds train.py: audiocraft")
    try:
        search = Search.of(python, folder, package)
    except (OSError, ValueError) as error:
        what = f"{python} does not run as a Python: {error}"
        hint = "Name the interpreter of an environment: checkpoint.python=/path/to/venv/bin/python"
        return Problem(what, "checkpoint.python", hint)
    parent, _, _ = package.rpartition(".")
    if locate(package, search.path, search.own) is None:
        inside = locate(parent, search.path, search.own) if parent else None
        around = list(inside.submodule_search_locations or []) if inside else search.path
        names = [f"{parent}.{m.name}" if parent else m.name for m in iter_modules(around)]
        near = get_close_matches(package, names, n=1)
        what = f"There is no Python package {package}."
        absent = "Install it, start where its folder is, or name its environment's interpreter:"
        hint = f"Did you mean {near[0]}?" if near else f"{absent} checkpoint.python=PATH"
        packages = "the installed packages" if search.own else f"the packages of {python}"
        return Problem(what, f"{WHERE}, looked for in {folder} and {packages}", hint)
    if locate(f"{package}.train", search.path, search.own) is None:
        what = f"{package} has no train module, so Dora cannot run it."
        return Problem(what, WHERE, "Name the package that holds train.py.")
    return None

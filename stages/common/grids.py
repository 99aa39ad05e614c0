"""Dora's grids: which experiments belong to one, as ``dora grid`` leaves it on disk.

``<dora_dir>/grids/NAME/`` holds a link for each experiment, named by its signature (source:
``dora.grid.run_grid``). Where the link leads does not matter: it breaks when the folder is moved.
The package that defines the grid is not asked, so what a grid was before its last launch is gone,
and ``dora grid --dry_run`` leaves nothing.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from pipeline.errors import SourceError
from stages.common.dora_folder import DoraFolder
from stages.common.experiments import is_signature

_SHOWN = 6
"""Names that an error tells."""


def grids_in(dora_dir: Path) -> tuple[str, ...]:
    """Give the names of the grids that were launched, in order."""
    folder = DoraFolder(dora_dir).grids
    return tuple(sorted(path.name for path in _inside(folder) if path.is_dir()))


def signatures_of(dora_dir: Path, name: str) -> tuple[str, ...]:
    """Give the signatures of a grid's experiments, in order, be they trained or not.

    Args:
        dora_dir: the folder of all experiments.
        name: of the grid, as it was given to ``dora grid``: with a dot for each package.

    Raises:
        SourceError: when there is no such grid, or nothing in it; names those that there are.
    """
    folder, known = DoraFolder(dora_dir).grids, grids_in(dora_dir)
    if name not in known:
        hint = "dora grid NAME leaves one when it launches; with --dry_run it does not."
        if near := get_close_matches(name, known, 3):
            hint = f"Did you mean {' or '.join(near)}?"
        elif known:
            hint = (
                f"There are {', '.join([*known[:_SHOWN], *(['...'] if known[_SHOWN:] else [])])}."
            )
        raise SourceError(f"There is no grid {name}.", str(folder), hint)
    found = tuple(sorted(path.name for path in _inside(folder / name) if is_signature(path.name)))
    if not found:
        raise SourceError(
            f"The grid {name} has no experiments: it was never launched, or all were taken out.",
            str(folder / name),
            f"Launch it: dora grid {name}",
        )
    return found


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise SourceError.from_os(error) from error

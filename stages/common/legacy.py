"""Torch's form from before 1.6: a row of pickles, one file after the other, no directory.

`stages.common.archive` reads archives only, so such a file is rewritten as one first, once, by
torch itself, under an unpickler that builds only what is named here.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, BinaryIO

from pipeline import files
from pipeline.amounts import amount
from pipeline.errors import FormatError
from stages.common.archive import is_legacy, is_tar
from stages.common.disk_space import demand_space


def note(path: Path) -> str:
    """Say what converting a file takes."""
    return (
        f"{path.name} is in torch's form from before 1.6: it is converted, "
        f"in {amount(path.stat().st_size)} of memory"
    )


def convert(path: Path, target: Path) -> None:
    """Write the content of an old file as an archive, whole or not at all.

    Nothing that the file says is run. It is held in memory as a whole: this form knows no other
    way, and is as old as its models are small. `note` says so.

    Raises:
        OutputError: when it does not fit on the disk.
        FormatError: when it is a tar archive, is damaged, or names what a checkpoint does not.
    """
    if is_tar(path):
        raise FormatError("The file is a tar archive, torch's oldest form.", str(path), _BY_HAND)
    if not is_legacy(path):
        raise FormatError("The file is no checkpoint: torch did not write it.", str(path))
    demand_space(target.parent, path.stat().st_size)
    import torch

    try:
        with torch.serialization.safe_globals(_allowed()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            package = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever a broken file leads it into
        raise FormatError(_said(error), str(path), _BY_HAND) from error
    with files.new_file(target) as file:  # torch takes a file object: the root has a fixed name
        _save(package, file)


def _save(package: Any, file: BinaryIO) -> None:
    import torch

    try:
        torch.save(package, file)
    except RuntimeError as error:
        # Closed half-way, torch's writer raises one in the place of a full disk or of Ctrl-C.
        if isinstance(error.__context__, OSError | KeyboardInterrupt):
            raise error.__context__ from error
        raise


_BY_HAND = "If you trust it, load it with the torch that wrote it, and save it with a current one."


def _plain_dict(*_: Any) -> dict[Any, Any]:
    """Stand for a defaultdict: torch's safe unpickler sets items of plain dicts only."""
    return {}


def _allowed() -> list[Any]:
    """List what an ``xp.cfg`` that is a DictConfig is made of."""
    import collections
    import pathlib
    import typing

    from omegaconf import DictConfig, ListConfig, base, nodes

    of_nodes = ("Any", "String", "Integer", "Float", "Boolean", "Bytes", "Path", "Enum")
    return [
        *(DictConfig, ListConfig, base.ContainerMetadata, base.Metadata),
        *(getattr(nodes, f"{name}Node") for name in of_nodes),
        *(typing.Any, dict, list, int, str, float, bool, tuple, collections.OrderedDict),
        *((int, "__builtin__.long"), (str, "__builtin__.unicode")),
        *((_plain_dict, "collections.defaultdict"), pathlib.Path, pathlib.PosixPath),
    ]


def _said(error: Exception) -> str:
    """Name what the file holds that it should not, from torch's page of advice."""
    text = str(error)
    for mark in ("GLOBAL ", "global "):
        _, found, rest = text.partition(mark)
        if found and "." in (name := rest.split()[0].strip("`'\",")):
            return f"The file is not safe to read: it names {name}."
    return f"The file cannot be read: {text.partition(chr(10))[0][:120]}"

"""What a push wrote down about the Hub, read back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import FormatError, SourceError
from pipeline.layout import PushFolder

FORMAT = 1
_NEXT = "Give the receipt of a push: outputs/RELEASE/VARIANT/push/receipt.json"


@dataclass(frozen=True)
class HubEntry:
    """What was pushed to the Hub.

    Attributes:
        path: of the receipt.
        endpoint: the Hub's address.
        repo_id: ``org/name``.
        branch: that was moved.
        parent: the commit before.
        commit: the commit that was made.
        tag: that names it, or ``None``.
        pull_request: its number, where it was proposed only.
    """

    path: Path
    endpoint: str
    repo_id: str
    branch: str
    parent: str
    commit: str
    tag: str | None = None
    pull_request: int | None = None

    @classmethod
    def read(cls, what: Path) -> HubEntry:
        """Read a receipt.

        Args:
            what: ``receipt.json``, or the folder of the push or of the run that has it.

        Raises:
            SourceError: when there is none, or the Hub is not in it.
            FormatError: when it is damaged, or not a receipt.
        """
        path = _locate(what.expanduser())
        try:
            content = json.loads(path.read_text("utf-8"))
            if content["format"] != FORMAT:
                raise FormatError("The receipt is of another version.", str(path), _NEXT)
            entries = [entry for entry in content["targets"] if entry["target"] == "hub"]
            found = [cls._of(path, entry) for entry in entries]
        except OSError as error:
            reason = error.strerror or str(error)
            raise SourceError(f"The receipt cannot be read: {reason}.", str(path), _NEXT) from error
        except (ValueError, KeyError, TypeError) as error:
            raise FormatError("This is no receipt of a push.", str(path), _NEXT) from error
        if not found:
            raise SourceError("Nothing in this receipt went to the Hub.", str(path), _NEXT)
        return found[0]

    @classmethod
    def _of(cls, path: Path, entry: dict[str, Any]) -> HubEntry:
        texts = {name: entry[name] for name in ("endpoint", "repo_id", "branch")}
        texts |= {name: entry[name] for name in ("parent", "commit")}
        if not all(isinstance(text, str) for text in texts.values()):
            raise TypeError
        return cls(path, **texts, tag=entry["tag"], pull_request=entry["pull_request"])


def _locate(what: Path) -> Path:
    if not what.is_dir():
        return what
    here = PushFolder(what).receipt
    return here if here.is_file() else PushFolder(what / "push").receipt

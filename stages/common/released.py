"""Which experiments have been released already, by the runs in an outputs folder."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.layout import Outputs, Run


def released_in(outputs: Outputs) -> Mapping[str, tuple[str, ...]]:
    """Give the releases by signature, each as ``<release>/<variant>``; empty without a folder.

    A run counts once its release is complete. Where its weights come from, collect has written.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for run in _runs(outputs):
        if run.release.manifest.is_file() and (signature := _signature(run.collect.source)):
            found[signature].append(f"{run.root.parent.name}/{run.root.name}")
    return {signature: tuple(sorted(names)) for signature, names in found.items()}


def _runs(outputs: Outputs) -> Iterator[Run]:
    for release in _folders(outputs.root):
        if release not in (outputs.dora, outputs.hub):
            yield from (Run(variant, outputs) for variant in _folders(release))


def _folders(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir()]
    except OSError:
        return []  # not there, or nobody's business


def _signature(source: Path) -> str | None:
    try:
        facts = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    signature = facts.get("signature") if isinstance(facts, dict) else None
    return signature if isinstance(signature, str) else None

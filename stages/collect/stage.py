"""The collect stage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.errors import PipelineError, SourceError
from pipeline.layout import CollectFolder
from pipeline.manifest import pretty
from pipeline.schema import CheckpointConfig
from pipeline.stage import Context, Facts, Plan, Problem, Record
from stages.collect.findings import Finding, examine
from stages.collect.origins import Origin, fetch, locate
from stages.common import hub, legacy, saving
from stages.common.archive import Archive, is_legacy, is_zip
from stages.common.checkpoint import STATES
from stages.common.disk_space import demand_space
from stages.common.sharded import ranks_beside


class Collect:
    """Finds the checkpoint, chooses the weights in it, and links to it; nothing is copied.

    ``source.json`` says what was found, ``history.json`` holds the checkpoint's own history, with
    NaN and infinities as text. A file in torch's old form is rewritten instead of linked.
    """

    name = "collect"
    version = 1
    inputs: Sequence[str] = ("train",)
    always = False

    def __init__(self, config: CheckpointConfig) -> None:
        """Take where the checkpoint is, which epoch, which state."""
        self.config = config

    def check(self, ctx: Context) -> list[Problem]:
        """Find a source that is not there, damaged, or not what was asked for; a full disk.

        What is on this machine is opened; what is not, waits.
        """
        if problems := self._settings():
            return problems
        path = None
        try:
            origin = locate(self.config, ctx)
            path = origin.path
            if path is None:
                return []
            if not is_legacy(path):
                examine(path, origin, self.config)
            elif not ctx.run.collect.checkpoint.exists():
                demand_space(ctx.run.root, path.stat().st_size)
        except PipelineError as error:
            return [Problem.of(saving.explained(error, path))]
        return []

    def plan(self, ctx: Context) -> Plan:
        """Tell what will be collected, with all its facts where it is here already."""
        origin = locate(self.config, ctx)
        known = {**origin.facts, "kind": origin.kind, "miniature": origin.miniature}
        if origin.path is None:
            what = f"download {origin.label}" if origin.remote else "what train leaves"
            return Plan(what, facts=known, notes=origin.notes)
        if is_legacy(origin.path):
            size = origin.path.stat().st_size
            notes = (*origin.notes, legacy.note(origin.path))
            what = f"convert {origin.label} from torch's old form"
            return Plan(what, size, facts=known, notes=notes)
        finding = examine(origin.path, origin, self.config)
        return Plan(
            f"{origin.label}, {finding.summary}",
            facts=finding.facts,
            local=_local(origin, origin.path, finding),
            notes=origin.notes + finding.warnings,
        )

    def key(self, ctx: Context) -> Facts:
        """Give the request, and what recognises a file on this machine without reading it.

        Of an address or a repository it is the request alone: nobody asks the network whether
        something has changed there, unless collect is forced.
        """
        origin = locate(self.config, ctx)
        asked = {"epoch": self.config.epoch, "state": self.config.state}
        key = {"kind": origin.kind, **asked, "sha256": self.config.sha256, **origin.key}
        if origin.remote or origin.path is None:
            return key
        shards = [_stamp(path) for path in ranks_beside(origin.path).values()]
        content = {**_stamp(origin.path), "archive": _directory(origin.path)}
        return {**key, **content, **({"shards": shards} if shards else {})}

    def run(self, ctx: Context) -> Record:
        """Link to the checkpoint, having brought it here where it was not.

        Raises:
            SourceError: when it cannot be had, or is not what was asked for.
            FormatError: when it is damaged, not safe, or no checkpoint.
        """
        folder, origin = CollectFolder(ctx.folder), locate(self.config, ctx)
        with ctx.progress.task(origin.label) as task:
            path = fetch(origin, self.config, ctx, task.advance)
        digests = self._sha256(path, origin, ctx)
        if is_legacy(path):
            ctx.progress.note(legacy.note(path))
            legacy.convert(path, folder.checkpoint)
            finding = examine(folder.checkpoint, origin, self.config, digest=True)
        else:
            finding = examine(path, origin, self.config, digest=True)
            _demand_planned(ctx, origin, path, finding)
            folder.checkpoint.symlink_to(path.absolute())
        facts = finding.facts | digests
        if origin.kind == "hub":
            facts["revision"] = hub.commit_of(path) or facts["revision"]
        files.write_text(folder.source, pretty(facts))
        files.write_text(folder.history, pretty(finding.history))
        return Record(facts, _local(origin, path, finding), warnings=finding.warnings)

    def _settings(self) -> list[Problem]:
        """Find settings that are wrong whatever the source."""
        problems = []
        choices = ("auto", *STATES)
        if self.config.state not in choices:
            near = get_close_matches(self.config.state, choices, 1)
            hint = f"Did you mean checkpoint.state={near[0]}? " if near else ""
            what = f"checkpoint.state={self.config.state}: there is no such choice."
            problems.append(Problem(what, hint=hint + ", ".join(choices)))
        if self.config.epoch is not None and self.config.epoch < 1:
            what = f"checkpoint.epoch={self.config.epoch}: epochs count from 1."
            problems.append(Problem(what, hint="The last one: checkpoint.epoch=null"))
        if self.config.sha256 and not re.fullmatch(r"(?i)[0-9a-f]{64}", self.config.sha256):
            what = f"checkpoint.sha256={self.config.sha256} is none: it has 64 hex digits."
            problems.append(Problem(what, hint="sha256sum FILE prints it."))
        return problems

    def _sha256(self, path: Path, origin: Origin, ctx: Context) -> dict[str, str]:
        """Hash the file where its content is promised, or comes from elsewhere.

        Raises:
            SourceError: when it is not the one that was asked for.
        """
        if not origin.remote and (origin.kind != "file" or not self.config.sha256):
            return {}
        with ctx.progress.task(f"sha256 of {path.name}", path.stat().st_size) as task:
            found = files.file_digest(path, task.advance).sha256
        wanted = (self.config.sha256 or found).lower() if origin.kind != "hub" else found
        if found != wanted:
            raise SourceError(
                f"The checkpoint has the sha256 {found}, not the one asked for.",
                str(path),
                "Is it the right file? Then checkpoint.sha256=null, or its own.",
            )
        return {"sha256": found}


def _demand_planned(ctx: Context, origin: Origin, path: Path, finding: Finding) -> None:
    """Make sure that the file is still the one that was planned; a trainer may be at work on it.

    What is behind an address or in a repository may have moved on: its plan is of the copy here.

    Raises:
        SourceError: when it is another.
    """
    planned = ctx.plans["collect"].facts if "collect" in ctx.plans else {}
    known = "archive" in planned and not origin.remote
    if known and any(planned.get(key) != finding.facts.get(key) for key in ("archive", "shards")):
        before = replace(finding, facts=dict(planned)).summary
        raise SourceError(
            f"The checkpoint was replaced since the plan: {before} was planned, now it has "
            f"the {finding.summary}.",
            str(path),
            "Run the same command again.",
        )


def _local(origin: Origin, path: Path, finding: Finding) -> dict[str, Any]:
    dora_dir = {"dora_dir": str(origin.dora_dir)} if origin.dora_dir else {}
    return {"path": str(path.absolute()), **dora_dir, **_stamp(path), **finding.local}


def _stamp(path: Path) -> dict[str, int]:
    stat = path.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "inode": stat.st_ino}


def _directory(path: Path) -> str | None:
    if not is_zip(path):
        return None
    with Archive.open(path) as archive:
        return archive.directory_digest

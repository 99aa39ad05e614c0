"""The push stage: takes the release to every target that the request names."""

from __future__ import annotations

from typing import Any

from pipeline import files
from pipeline.errors import PushError
from pipeline.layout import PushFolder
from pipeline.manifest import pretty
from pipeline.paths import expanded
from pipeline.schema import PushConfig
from pipeline.stage import Context, Facts, Plan, Problem, Record
from stages.common.receipt import FORMAT, kept_entries, merged_entries
from stages.push.cache import Cache
from stages.push.dry_run import DryRun
from stages.push.hub import Hub
from stages.push.listing import list_release
from stages.push.names import bad_repo_id, bad_revision
from stages.push.target import Publication, Target

_ALL_IN_ONE = Problem(
    "A release in one file cannot be loaded by its Hub id, so it is not published.",
    "export.layout=all_in_one",
    "Choose export.layout=two_file, or say push.allow_all_in_one=true",
)


class Push:
    """Publishes ``<run>/release``: looks at the target each time, changes it when it must."""

    name = "push"
    version = 1
    inputs = ("package",)
    always = True

    def __init__(self, name: str, version: str, config: PushConfig, sweep: bool = False) -> None:
        """Take the release's name and version, the targets, and whether this is one of many.

        Args:
            name: the release's name.
            version: the release's version.
            config: the targets, and what they share.
            sweep: ``True`` leaves branch and tag where they are: of many variants, none is the one.
        """
        self.release_name, self.release_version = name, version
        self.config, self.sweep = config, sweep
        title = f"Release {name} {version}"
        self.hub = Hub(config, title) if config.hub is not None else None

    def check(self, ctx: Context) -> list[Problem]:
        """Find names that the Hub does not take, and what each target refuses."""
        targets = self._targets(ctx)
        if not targets:
            return []
        config = self.config
        found = [
            bad_repo_id(config.repo_id),
            bad_revision("push.revision", config.revision),
            bad_revision("push.tag", config.tag) if config.tag is not None else None,
        ]
        if config.tag == config.revision:
            found.append(Problem(f"push.tag and push.revision are both {config.tag!r}."))
        if self._refuses_layout(ctx, targets):
            found.append(_ALL_IN_ONE)
        problems = [problem for problem in found if problem is not None]
        return problems + [problem for target in targets for problem in target.check(ctx)]

    def plan(self, ctx: Context) -> Plan:
        """Tell where the release will go."""
        targets = self._targets(ctx)
        if not targets:
            return Plan("nothing is published", needed=False)
        names = ", ".join(target.name for target in targets)
        notes = tuple(note for target in targets for note in target.notes(ctx))
        return Plan(f"{self.config.repo_id}: {names}", size=0, notes=notes)

    def key(self, ctx: Context) -> Facts:
        """Give the request; it is kept with the record, and never a reason to skip."""
        config = self.config
        return {
            "repo_id": config.repo_id,
            "revision": config.revision,
            "tag": config.tag,
            "targets": [target.name for target in self._targets(ctx)],
        }

    def run(self, ctx: Context) -> Record:
        """Publish to each target, and write the receipt.

        Raises:
            PushError: when a target does not take the release.
        """
        targets = self._targets(ctx)
        if self._refuses_layout(ctx, targets):
            raise PushError(_ALL_IN_ONE.what, _ALL_IN_ONE.where, _ALL_IN_ONE.hint)
        publication = Publication(
            self.config.repo_id,
            list_release(ctx.run.release),
            branch=None if self.sweep else self.config.revision,
            tag=None if self.sweep else self.config.tag,
            variant=ctx.run.root.name,
        )
        before, entries = kept_entries(ctx.run.push.receipt), list[dict[str, Any]]()
        for target in targets:
            entries.append(target.publish(publication, ctx))
            told = pretty({"format": FORMAT, "targets": merged_entries(entries, before)})
            # Should the next target fail, this is what remains of those that did not.
            for folder in (ctx.run.push, PushFolder(ctx.folder)):
                folder.root.mkdir(parents=True, exist_ok=True)
                files.write_text(folder.receipt, told)
        commits = {entry["target"]: entry["commit"] for entry in entries if "commit" in entry}
        return Record(facts={"repo_id": self.config.repo_id, "commits": commits})

    def _targets(self, ctx: Context) -> list[Target]:
        """Give the targets in the order in which a mistake costs least."""
        config, targets = self.config, list[Target]()
        if config.dry_run is not None:
            targets.append(DryRun())
        if config.cache is not None:
            root = expanded(config.cache.dir or ctx.run.outputs.hub).absolute()
            targets.append(Cache(root, config.repo_id))
        if self.hub is not None:
            targets.append(self.hub)
        return targets

    def _refuses_layout(self, ctx: Context, targets: list[Target]) -> bool:
        loaded_by_id = any(not isinstance(target, DryRun) for target in targets)
        one_file = ctx.facts("package").get("layout") == "all_in_one"
        return one_file and loaded_by_id and not self.config.allow_all_in_one

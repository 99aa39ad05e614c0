"""Puts the release folder together: weights, release.json, SHA256SUMS, README.md.

The weights get a second name, not a copy; their digests are known since they were written, so that
nothing is read again. What SHA256SUMS lists depends on the checkpoint and the request alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline import __version__, files
from pipeline.errors import ConfigError, PipelineError
from pipeline.layout import (
    ALL_IN_ONE,
    COMPRESSION,
    RELEASE_JSON,
    STAGE_JSON,
    STATE_DICT,
    ReleaseFolder,
    Run,
)
from pipeline.manifest import FileDigest, format_sums, pretty
from pipeline.schema import CardConfig, ExportConfig, PackageConfig
from pipeline.stage import Context, Facts, Plan, Problem, Record
from stages.common import card, one_file, own_card
from stages.common.front_matter import Card
from stages.common.heard import heard_in
from stages.common.metrics import EpochMetrics
from stages.common.own_card import Wishes
from stages.common.provenance import published

FORMAT = 1
"""Of release.json: raised when a reader of the format before would misread it."""

PIPELINE_VERSION = __version__


class Package:
    """Makes ``<run>/release``, exactly what is pushed."""

    name = "package"
    version = 1
    inputs = ("collect", "export_lm", "export_compression", "export_transformers", "validate")
    always = False

    def __init__(
        self,
        name: str,
        version: str,
        config: PackageConfig,
        card: CardConfig,
        export: ExportConfig,
        repo_id: str,
    ) -> None:
        """Take the release's name and version, and the Hub id that its card tells readers."""
        self.release_name, self.release_version = name, version
        self.config, self.card, self.export, self.repo_id = config, card, export, repo_id

    def check(self, ctx: Context) -> list[Problem]:
        """Find a card that the Hub, or the license of a parent, would not allow."""
        try:
            return self._wishes().problems(ctx.facts("collect"), _contained(ctx))
        except PipelineError as error:
            return [Problem.of(error)]

    def plan(self, ctx: Context) -> Plan:
        """Tell what the folder will hold."""
        chosen = self._wishes().licenses(ctx.facts("collect"), _contained(ctx))
        note = "The card names no license: card.license=ID chooses one."
        sizes = [ctx.plans[name].size for name in self.inputs[1:3] if name in ctx.plans]
        return Plan(
            f"release {self.release_name} {self.release_version}",
            size=sum(size or 0 for size in sizes) if self._layout(ctx) == "all_in_one" else 0,
            facts=self._facts(ctx),
            local=self._local(ctx),
            notes=() if chosen else (note,),
        )

    def key(self, ctx: Context) -> Facts:
        """Give the texts that enter release.json and the card."""
        own = self.card.path and files.file_digest(own_card.path_of(self.card)).sha256
        return {
            "name": self.release_name,
            "version": self.release_version,
            "pipeline": PIPELINE_VERSION,
            "repo_id": self.repo_id,
            "layout": self.export.layout,
            "samples": self.config.samples,
            "card": {**asdict(self.card), "path": own},
        }

    def run(self, ctx: Context) -> Record:
        """Write the release into ``ctx.folder``.

        Raises:
            ConfigError: when the license turns out laxer than that of a parent, now that the
                source is known.
        """
        wishes = self._wishes()
        for problem in wishes.problems(ctx.facts("collect"), _contained(ctx)):
            raise ConfigError(problem.what, problem.where, problem.hint)
        release = ReleaseFolder(ctx.folder)
        digests = self._put_weights(ctx, release) | self._put_transformers(ctx, release)
        files.write_text(release.manifest, pretty(self._manifest(ctx, digests)))
        digests[RELEASE_JSON] = files.file_digest(release.manifest)
        files.write_text(release.sums, format_sums(digests))
        missing = self._put_samples(ctx.run, release)
        subject = self._subject(ctx, release.samples)
        files.write_text(release.card, self._card_text(subject, wishes.own))
        listed = {name: asdict(digest) for name, digest in sorted(digests.items())}
        return Record(
            facts={"files": listed, "usage": list(card.usage(subject)), **self._facts(ctx)},
            local=self._local(ctx),
            digests=digests,
            warnings=("validate left no samples to package.",) if missing else (),
        )

    def _wishes(self) -> Wishes:
        return Wishes.read(self.card)

    def _facts(self, ctx: Context) -> dict[str, Any]:
        miniature = bool(ctx.facts("collect").get("miniature"))
        return {"repo_id": self.repo_id, "layout": self._layout(ctx), "miniature": miniature}

    def _local(self, ctx: Context) -> dict[str, Any]:
        """Give the card's metadata, so that a target may look at it before anything is made."""
        wishes, subject = self._wishes(), self._subject(ctx, ReleaseFolder(ctx.folder).samples)
        content = self._card_text(subject, wishes.own).encode()
        return {"metadata": Card.parse(content).block.decode()}

    def _layout(self, ctx: Context) -> str:
        """Give the layout; a codec on its own is one file as it is."""
        lone = ctx.facts("collect").get("family") == "compression"
        return "two_file" if lone else self.export.layout

    def _put_weights(self, ctx: Context, release: ReleaseFolder) -> dict[str, FileDigest]:
        lm, codec = ctx.run.export_lm.state_dict, ctx.run.export_compression.compression
        if ctx.facts("collect").get("family") == "compression":
            files.link(codec, release.compression)
            return {COMPRESSION: _known(ctx.run, "export_compression", codec)}
        if self._layout(ctx) == "all_in_one":
            total = lm.stat().st_size + codec.stat().st_size
            with ctx.progress.task("join", total) as task:
                return {ALL_IN_ONE: one_file.join(lm, codec, release.all_in_one, task.advance)}
        files.link(lm, release.state_dict)
        files.link(codec, release.compression)
        return {
            STATE_DICT: _known(ctx.run, "export_lm", lm),
            COMPRESSION: _known(ctx.run, "export_compression", codec),
        }

    def _put_transformers(self, ctx: Context, release: ReleaseFolder) -> dict[str, FileDigest]:
        """Link what transformers loads, where that was made."""
        if "export_transformers" not in ctx.records:
            return {}
        folder = ctx.run.export_transformers.root
        made = [path for path in sorted(folder.iterdir()) if path.name != STAGE_JSON]
        for path in made:
            files.link(path, release.root / path.name)
        return {path.name: _known(ctx.run, "export_transformers", path) for path in made}

    def _manifest(self, ctx: Context, digests: Mapping[str, FileDigest]) -> dict[str, Any]:
        source = dict(published(ctx.facts("collect")))
        miniature = {"miniature": True} if source.pop("miniature", False) else {}
        settings = {
            name: published(facts)
            for name in ("export_lm", "export_compression", "export_transformers")
            if (facts := ctx.facts(name))
        }
        return {
            "format": FORMAT,
            "pipeline": PIPELINE_VERSION,
            "name": self.release_name,
            "version": self.release_version,
            **miniature,
            "source": source,
            "settings": settings,
            "files": {name: asdict(digest) for name, digest in digests.items()},
        }

    def _put_samples(self, run: Run, release: ReleaseFolder) -> bool:
        """Link the samples where they are wanted; tell whether they are wanted but not there."""
        if self.config.samples and run.validate.samples.is_dir():
            files.link_tree(run.validate.samples, release.samples)
            return False
        return self.config.samples

    def _subject(self, ctx: Context, samples: Path) -> card.Subject:
        source = published(ctx.facts("collect"))
        history = ctx.run.collect.history
        epochs = json.loads(history.read_text("utf-8")) if history.is_file() else []
        return card.Subject(
            name=self.release_name,
            version=self.release_version,
            repo_id=self.repo_id,
            source=source,
            language_model=ctx.facts("export_lm"),
            codec=published(ctx.facts("export_compression")),
            metrics=EpochMetrics.of(epochs, source.get("epoch")),
            layout=self._layout(ctx),
            transformers=ctx.facts("export_transformers").get("class"),
            contained=_contained(ctx),
            samples=heard_in(samples),
        )

    def _card_text(self, subject: card.Subject, own: Card | None) -> str:
        if own is None:
            return card.render(subject, self.card)
        return own.completed(card.metadata(subject, self.card), card.tags(subject)).decode()


def _contained(ctx: Context) -> Facts:
    """Give the codec whose weights, or whose name, are in the release: licenses go by the weights.

    transformers' format contains a codec that AudioCraft's files only name.
    """
    facts = published(ctx.facts("export_compression"))
    inside = ctx.facts("export_transformers").get("codec")
    return {**facts, "form": "weights", "pretrained": inside} if inside else facts


def _known(run: Run, stage: str, path: Path) -> FileDigest:
    """Take a file's digest from its stage's manifest; hash the file when that is not its own."""
    try:
        entry = json.loads(run.record(stage).read_text("utf-8"))["files"][path.name]
        digest = FileDigest(int(entry["size"]), str(entry["sha256"]))
    except (OSError, ValueError, KeyError, TypeError):
        return files.file_digest(path)
    return digest if digest.size == path.stat().st_size else files.file_digest(path)

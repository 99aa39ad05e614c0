"""Shows what would be sent, and sends nothing."""

from __future__ import annotations

from typing import Any

from pipeline.stage import Context, Problem
from stages.push.listing import text_size
from stages.push.target import Publication, receipt_files


class DryRun:
    """Prints name, size and digest of every file, and where they would go."""

    name = "dry_run"

    def check(self, ctx: Context) -> list[Problem]:
        """Find nothing: there is nothing to refuse it."""
        return []

    def notes(self, ctx: Context) -> tuple[str, ...]:
        """Say nothing beforehand."""
        return ()

    def publish(self, publication: Publication, ctx: Context) -> dict[str, Any]:
        """List the files."""
        total = text_size(sum(file.size for file in publication.files))
        revisions = ", ".join(publication.refs)
        ctx.progress.note(
            f"dry run: {len(publication.files)} files, {total}, "
            f"would go to {publication.repo_id} ({revisions})"
        )
        width = max(len(file.name) for file in publication.files)
        for file in publication.files:
            size = text_size(file.size)
            ctx.progress.note(f"  {file.name:<{width}}  {size:>9}  sha256 {file.sha256[:12]}")
        return {
            "target": self.name,
            "repo_id": publication.repo_id,
            "refs": list(publication.refs),
            "changed": False,
            "files": receipt_files(publication),
        }

"""Publishes to the Hugging Face Hub: what is asked of it beforehand, and the push itself."""

from __future__ import annotations

from typing import Any

from pipeline.schema import PushConfig
from pipeline.stage import Context, Problem, Progress
from stages.common.hub.repository import Repository
from stages.push.names import bad_repo_id
from stages.push.preflight import Survey, survey, unusable
from stages.push.publishing import Publishing
from stages.push.target import Publication

_MINIATURE = Problem(
    "The miniature is not a real model and does not go to the Hugging Face Hub.",
    hint="Release a model of your own (checkpoint=dora ...), or say push.allow_miniature=true",
)


class Hub:
    """A repository on the Hugging Face Hub."""

    name = "hub"

    def __init__(self, config: PushConfig, title: str) -> None:
        """Take what is asked for, and what the commit is called when nothing else is said."""
        self.config, self.title = config, config.message or title
        self._survey: Survey | None = None

    def check(self, ctx: Context) -> list[Problem]:
        """Keep the miniature in, and find what the Hub would refuse."""
        miniature = ctx.facts("collect").get("miniature") and not self.config.allow_miniature
        found = [*([_MINIATURE] if miniature else []), *unusable(self.config)]
        if found or bad_repo_id(self.config.repo_id):
            return found  # there is nothing to ask the Hub about
        metadata = ctx.local("package").get("metadata")
        card = f"---\n{metadata}---\n" if metadata else None
        self._survey, problems = survey(self._repository(ctx.progress), self.config, card)
        return problems

    def notes(self, ctx: Context) -> tuple[str, ...]:
        """Tell what is there already."""
        if self._survey is None:
            return ()
        config, state, refs = self.config, self._survey.state, self._survey.refs
        if state is None or refs is None:
            kind = "private (push.private=false makes it public)" if config.private else "public"
            return (f"hub: {config.repo_id} will be made, {kind}",)
        kind = "private" if state.private else "public"
        found = [f"hub: {config.repo_id} is there, {kind}, main at {state.head[:12]}"]
        if config.tag in refs.tags and not config.move_tag and not config.pr:
            found.append(
                f"hub: the tag {config.tag} is there; if the release has changed, raise its "
                "version, or say push.move_tag=true"
            )
        return tuple(found)

    def publish(self, publication: Publication, ctx: Context) -> dict[str, Any]:
        """Publish; a second time nothing changes, and what is missing is added.

        Raises:
            PushError: when the Hub refuses, or somebody else changed the repository meanwhile.
        """
        repository = self._repository(ctx.progress)
        return Publishing(repository, self.config, self.title, publication, ctx).run()

    def _repository(self, progress: Progress) -> Repository:
        return Repository(
            self.config.repo_id, self.config.endpoint, lambda text: progress.note(f"hub: {text}")
        )

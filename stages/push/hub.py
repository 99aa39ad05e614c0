"""The place of the Hugging Face Hub among the targets: what it must refuse is already here."""

from __future__ import annotations

from typing import Any

from pipeline.errors import PushError
from pipeline.stage import Context, Problem
from stages.push.target import Publication

_NOT_YET = Problem(
    "push=hub is not available yet.",
    hint="Until it is: push=cache publishes on this machine, push=dry_run lists the files.",
)


class Hub:
    """Refuses, for now, whatever is asked."""

    name = "hub"

    def __init__(self, allow_miniature: bool) -> None:
        """Take whether the embedded miniature may go out into the world."""
        self.allow_miniature = allow_miniature

    def check(self, ctx: Context) -> list[Problem]:
        """Keep the miniature in, and say that nothing goes out yet."""
        miniature = ctx.facts("collect").get("miniature") and not self.allow_miniature
        return [*([_MINIATURE] if miniature else []), _NOT_YET]

    def notes(self, ctx: Context) -> tuple[str, ...]:
        """Say nothing beforehand."""
        return ()

    def publish(self, publication: Publication, ctx: Context) -> dict[str, Any]:
        """Refuse."""
        raise PushError(_NOT_YET.what, hint=_NOT_YET.hint)


_MINIATURE = Problem(
    "The miniature is not a real model and does not go to the Hugging Face Hub.",
    hint="Release a model of your own (checkpoint=dora ...), or say push.allow_miniature=true",
)

"""The manner of huggingface_hub: its errors and warnings in our words, its bars out of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.errors import PushError
from stages.common.hub.failure import Failure, kinds
from stages.common.hub.overheard import overheard


@contextmanager
def told(repo_id: str, endpoint: str, say: Callable[[str], None]) -> Iterator[None]:
    """Turn the client's errors into ours, and its warnings into notes.

    Args:
        repo_id: ``org/name``, for the words.
        endpoint: the Hub's address.
        say: is told the warnings.
    """
    try:
        with overheard(say):
            yield
    except kinds() as error:
        if (ours := _ours(error)) is not None:
            raise ours from error
        raise Failure.of(error).error(repo_id, endpoint) from error


def _ours(error: BaseException) -> PushError | None:
    """Give our own error where the client has wrapped one."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, PushError):
        cause = cause.__cause__
    return cause


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the client from drawing bars of its own, as far as its environment allows."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    silent = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not silent:
            enable_progress_bars()

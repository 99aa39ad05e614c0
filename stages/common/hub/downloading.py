"""Files from the Hub or its cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import SourceError
from stages.common.hub.caches import default_cache
from stages.common.hub.endpoint import is_own, own_token, repository_url
from stages.common.hub.failure import kinds
from stages.common.hub.names import is_repo_id


@dataclass(frozen=True)
class Advice:
    """What to do next, in the words of whoever asks the Hub.

    Attributes:
        revision: where there is no such branch, tag or commit.
        file: where the repository has no such file.
        network: where the Hub cannot be reached.
    """

    revision: str
    file: str
    network: str


RELEASING = Advice(
    "Give a branch, a tag or a commit: checkpoint.revision=main",
    "Only what AudioCraft exported can be released from the Hub.",
    "Look at HF_HUB_OFFLINE and AUDIOCRAFT_CACHE_DIR, or give a file: checkpoint=file",
)
VERIFYING = Advice(
    "Give a branch, a tag or a commit: --revision main",
    "It was there a moment ago; run the same command again.",
    "Look at the network and at HF_HUB_OFFLINE.",
)


def download(
    repo_id: str,
    file_name: str,
    revision: str = "main",
    cache_dir: Path | None = None,
    advance: Callable[[int], None] = lambda _: None,
    endpoint: str | None = None,
    advice: Advice = RELEASING,
) -> Path:
    """Give a repository's file in the Hub cache, having downloaded it if need be.

    Without a network, or with ``HF_HUB_OFFLINE=1``, what the cache has is what there is.

    Args:
        repo_id: ``org/name``.
        file_name: its path inside the repository.
        revision: a branch, a tag or a commit.
        cache_dir: the Hub cache; by default `default_cache`.
        advance: told the bytes that arrive.
        endpoint: the Hub's address; by default the client's own.
        advice: what to do next when it fails.

    Raises:
        SourceError: when it is not there, not accessible, or there is no network.
    """
    _demand_repo_id(repo_id)
    from huggingface_hub import hf_hub_download

    with translated(repo_id, file_name, revision, endpoint, advice):
        found = hf_hub_download(
            repo_id,
            file_name,
            revision=revision,
            cache_dir=cache_dir or default_cache(),
            tqdm_class=_bar(advance),
            endpoint=endpoint,
            token=own_token(endpoint),
        )
    return Path(found)


def cached(
    repo_id: str, file_name: str, revision: str = "main", cache_dir: Path | None = None
) -> Path | None:
    """Give a repository's file as far as the cache has it already; the network is left alone.

    Raises:
        SourceError: when the id is none.
    """
    _demand_repo_id(repo_id)
    from huggingface_hub import try_to_load_from_cache

    cache = cache_dir or default_cache()
    found = try_to_load_from_cache(repo_id, file_name, cache_dir=cache, revision=revision)
    return Path(found) if isinstance(found, str) else None


def size_of(repo_id: str, file_name: str, revision: str = "main") -> int | None:
    """Ask the Hub how many bytes a file has; ``None`` when it is not there or nobody tells.

    Raises:
        SourceError: when the id is none.
    """
    _demand_repo_id(repo_id)
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    try:
        with translated(repo_id, file_name, revision):
            return get_hf_file_metadata(hf_hub_url(repo_id, file_name, revision=revision)).size
    except SourceError:  # the download that follows says what is wrong
        return None


def _demand_repo_id(repo_id: str) -> None:
    if not is_repo_id(repo_id):
        hint = "It should be like facebook/musicgen-small."
        raise SourceError(f"{repo_id!r} is no Hub id.", hint=hint)


def _bar(advance: Callable[[int], None]) -> Any:
    """Give a class of progress bars that draw nothing and tell ``advance`` the bytes."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    class Silent(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings | {"disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            advance(int(n or 0))
            return None

    return Silent


@contextmanager
def translated(
    repo_id: str,
    file_name: str,
    revision: str,
    endpoint: str | None = None,
    advice: Advice = RELEASING,
) -> Iterator[None]:
    """Turn the library's errors into ours."""
    from huggingface_hub import errors

    page = repository_url(repo_id, endpoint)
    ask = "Ask there for access, then log in (hf auth login) or set HF_TOKEN."
    log_in = "If it is private, log in (hf auth login) or set HF_TOKEN."
    if not is_own(endpoint):  # to log in would change nothing
        ask = log_in = (
            f"Your token was not sent there. If that Hub is yours: HF_ENDPOINT={endpoint}"
        )
    try:
        yield
    except errors.GatedRepoError as error:
        raise SourceError(
            f"{repo_id} is gated: its owners decide who may read it.",
            page,
            ask,
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise SourceError(
            f"There is no repository {repo_id} on the Hub, or it is private.",
            page,
            log_in,
        ) from error
    except errors.RevisionNotFoundError as error:
        raise SourceError(
            f"{repo_id} has no revision {revision!r}.",
            page,
            advice.revision,
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise SourceError(
            f"The Hub cannot be reached, and its cache has no {file_name} of {repo_id}.",
            _reason(error),
            advice.network,
        ) from error
    except errors.EntryNotFoundError as error:
        raise SourceError(
            f"{repo_id} has no {file_name} at {revision}.",
            f"{page}/tree/{revision}",
            advice.file,
        ) from error
    except kinds() as error:
        hint = f"Look at {page}, then run the same command again."
        raise SourceError(f"{repo_id} cannot be downloaded.", _reason(error), hint) from error


def _reason(error: BaseException) -> str:
    """Give the first line of what lies at the bottom of an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}".partition("\n")[0][:200]

"""The one place that talks to the Hugging Face Hub: downloads, repositories, commits, accounts."""

from stages.common.hub.downloading import (
    cached,
    commit_of,
    default_cache,
    download,
    is_repo_id,
    size_of,
)

__all__ = ["cached", "commit_of", "default_cache", "download", "is_repo_id", "size_of"]

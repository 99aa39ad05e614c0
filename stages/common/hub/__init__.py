"""The one place that talks to the Hugging Face Hub: downloads, repositories, commits, accounts."""

from stages.common.hub.caches import commit_of, default_cache, snapshot
from stages.common.hub.downloading import cached, download, size_of
from stages.common.hub.names import MAIN, is_commit, is_repo_id

__all__ = [
    "MAIN",
    "cached",
    "commit_of",
    "default_cache",
    "download",
    "is_commit",
    "is_repo_id",
    "size_of",
    "snapshot",
]

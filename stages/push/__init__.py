"""Publishes the release: `dry_run` lists, `cache` fills a Hub cache, `hub` is yet to come."""

from stages.push.stage import Push

__all__ = ["Push"]

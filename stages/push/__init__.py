"""Publishes the release: `dry_run` lists, `cache` fills a Hub cache, `hub` commits to the Hub."""

from stages.push.stage import Push

__all__ = ["Push"]

"""Finds the checkpoint and reads what is in it."""

from stages.collect.stage import Collect

__all__ = ["Collect"]

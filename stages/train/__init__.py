"""Trains an experiment through Dora, when the request asks for one."""

from stages.train.stage import Train

__all__ = ["Train"]

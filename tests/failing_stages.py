"""Stages that end as none should: ``stage.validate._target_=tests.failing_stages.Exits``."""

import os
import signal
import sys
from typing import Any

from pipeline.stage import Context, Record
from stages.validate import Validate


class Exits(Validate):
    """Ends the process, as a library may that takes itself for a program."""

    def run(self, ctx: Context) -> Record:
        sys.exit(3)


class KilledAtEpoch1(Validate):
    """Is killed as by the kernel when memory runs out, but for other epochs."""

    def run(self, ctx: Context) -> Record:
        if _epoch(ctx) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run(ctx)


def _epoch(ctx: Context) -> Any:
    return ctx.facts("collect").get("epoch")

"""Publishes one release: ``python -m tests.stages.push.faults.pusher RUN OUTPUTS REQUEST``."""

import json
import sys
from pathlib import Path

from pipeline.errors import ChecksError
from pipeline.layout import Outputs, Run
from pipeline.schema import HubConfig
from pipeline.stage import Context
from tests.releases import push


def main(run: Run, request: str) -> None:
    stage = push(cache=None, hub=HubConfig(), **json.loads(request))
    folder = run.working(stage.name)
    folder.mkdir(parents=True)
    context = Context(run, folder)
    if problems := stage.check(context):
        raise ChecksError(problems)
    stage.run(context)


if __name__ == "__main__":
    main(Run(Path(sys.argv[1]), Outputs(Path(sys.argv[2]))), sys.argv[3])
